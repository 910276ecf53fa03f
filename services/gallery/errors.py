"""What can go wrong in gallery."""

from libs.common.errors import Conflict, NotFound, PixeraError, TooMany


class ImageNotFound(NotFound):
    """There is no such image, or it is another person's."""

    code, title = "image-not-found", "There is no such image"


class ThumbnailNotReady(NotFound):
    """The image is there, its thumbnails are still being made."""

    code, title = "thumbnail-not-ready", "The thumbnail is still being made: ask again in a moment"


class UploadNotFound(NotFound):
    """There is no such upload, it is another person's, or it was not completed in time."""

    code, title = "upload-not-found", "There is no such upload: begin a new one"


class TooManyUploads(TooMany):
    """The person has begun more uploads than may be open at a time."""

    code, title = "too-many-uploads", "Too many uploads are open: complete some before you begin another"


class NothingUploaded(Conflict):
    """The upload is to be completed, and no file has arrived."""

    code, title = "nothing-uploaded", "No file has arrived: post it to the upload's address first"


class AlreadyCompleted(Exception):
    """The upload has become an image already."""


class BadImage(PixeraError):
    """The file that was sent cannot become an image. The same bytes fail every time: never retried."""

    code, status, title = "bad-image", 422, "The file cannot be used as an image"


class ImagingDied(PixeraError):
    """The process that worked on an image died, by its machine or by the image. Dead letter, where that goes on.

    Where a machine's memory runs out such a process goes first, whatever its image needs.
    """

    code, status, title, retry = "imaging-died", 503, "The image could not be worked on, try again", True
    patience_s = 600.0


class UnsupportedImage(BadImage):
    """The bytes are no JPEG, PNG or WebP still picture, or a kind of one that browsers cannot show."""

    code, status, title = "unsupported-image", 415, "Send a JPEG, PNG or WebP picture"


class TypeMismatch(BadImage):
    """The bytes are an image of another type than was announced."""

    code, status, title = "image-type-mismatch", 415, "The file is not of the type that was announced"


class ImageTooLarge(BadImage):
    """The file has more bytes than gallery takes."""

    code, status, title = "image-too-large", 413, "The file is larger than 25 MB: send a smaller one"


class PixelBomb(BadImage):
    """The picture has more pixels than gallery decodes."""

    code, status, title = (
        "too-many-pixels",
        413,
        "The picture has more than 50 megapixels: scale it down first",
    )


class TruncatedImage(BadImage):
    """The picture ends too early, or is damaged within."""

    code, status, title = (
        "image-damaged",
        422,
        "The picture is incomplete or damaged: save it again and send that",
    )


class PolyglotImage(BadImage):
    """The file is a picture and something else at once, such as an archive or a web page."""

    code, status, title = (
        "image-polyglot",
        422,
        "Another file is hidden in the picture: save it as a plain picture",
    )


BAD_IMAGES = (UnsupportedImage, TypeMismatch, ImageTooLarge, PixelBomb, TruncatedImage, PolyglotImage)
"""Every way in which a file is refused."""
