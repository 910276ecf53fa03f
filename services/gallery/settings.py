"""What gallery must be told, besides what every process is."""

from pydantic import Field

from libs.common.processes import cores
from libs.common.settings import CommonSettings


class GallerySettings(CommonSettings):
    """Settings of gallery (`PIXERA_GALLERY_…`)."""

    gallery_imaging_processes: int = Field(
        default_factory=lambda: min(2, cores()),
        ge=1,
        description="images read at once by one process of the service; at most two",
    )
    gallery_imaging_waiting: int = Field(64, ge=1, description="most images let wait for a process")
    gallery_imaging_timeout_s: float = Field(
        30.0, gt=0, description="most processor time that one image may take"
    )
    gallery_imaging_nice: int = Field(10, ge=0, description="how far imaging stands back for other work")
    gallery_uploads_in_hand: int = Field(6, ge=1, description="most uploaded files held in memory at once")
    gallery_open_uploads_per_person: int = Field(50, ge=1, description="most uploads begun and not completed")
    gallery_sweep_every_s: float = Field(
        60.0, gt=0, description="how often uploads that were never completed are looked for"
    )
    gallery_upload_expires_s: float = Field(
        900.0, ge=0, description="age at which an upload that was never completed is removed"
    )
    gallery_orphans_every_s: float = Field(
        3600.0, gt=0, description="how often the whole bucket is looked over"
    )
