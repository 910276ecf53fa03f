"""Metrics of gallery. Labels are outcomes and sources, never people."""

from prometheus_client import Counter, Histogram

IMAGING_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)

UPLOADS = Counter("pixera_gallery_uploads", "Uploads completed, or refused and why.", ("outcome",))
IMAGES = Counter("pixera_gallery_images", "Images added.", ("source",))
DELETED = Counter("pixera_gallery_images_deleted", "Images whose person deleted them, objects and all.")
CLEAN_SECONDS = Histogram(
    "pixera_gallery_clean_seconds", "Time to check and clean an uploaded image.", buckets=IMAGING_BUCKETS
)
THUMBNAIL_SECONDS = Histogram(
    "pixera_gallery_thumbnail_seconds",
    "Time to make an image's thumbnails and placeholder.",
    buckets=IMAGING_BUCKETS,
)
EXPIRED = Counter("pixera_gallery_uploads_expired", "Uploads that were begun and never completed.")
ORPHANS = Counter(
    "pixera_gallery_orphans_removed", "Objects removed that belonged to no image and no upload."
)
