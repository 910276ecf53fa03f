"""The HTTP API of gallery."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from libs.common.app import provided
from libs.common.errors import (
    AccountHidden,
    ProcessingRestricted,
    SubjectErased,
    Unauthenticated,
    Unavailable,
    problems,
)
from libs.common.identity import CurrentUser, UnrestrictedUser
from libs.common.pagination import CursorParam, InvalidCursor, Limit, Page
from services.gallery.errors import (
    BAD_IMAGES,
    ImageNotFound,
    ImageTooLarge,
    NothingUploaded,
    ThumbnailNotReady,
    TooManyUploads,
    UploadNotFound,
)
from services.gallery.models import Size
from services.gallery.schemas import PREFIX, BeginUpload, EditImage, ImageOut, UploadOut, page_json
from services.gallery.service import GalleryService

THUMBNAIL_CACHE = "private, max-age=240"
"""A minute less than the presigned address lives."""

router = APIRouter(prefix=PREFIX, tags=["gallery"], responses=problems(Unauthenticated, AccountHidden))

Service = Annotated[GalleryService, Depends(provided(GalleryService))]


@router.post(
    "/uploads",
    status_code=201,
    responses=problems(ImageTooLarge, TooManyUploads, ProcessingRestricted, AccountHidden, SubjectErased),
)
async def begin_upload(body: BeginUpload, user: UnrestrictedUser, service: Service) -> UploadOut:
    """Begin an upload: the answer says where to post the file, within five minutes.

    Raises:   ImageTooLarge: more than 25 MB.  TooManyUploads: complete some of those that were begun.
    Personal: the caption, to its own subject only.
    """
    ticket = await service.uploads.begin(user.id, body.media_type, body.size_bytes, body.caption)
    return UploadOut.of(ticket)


@router.post(
    "/uploads/{upload_id}/complete",
    status_code=201,
    responses=problems(
        UploadNotFound,
        NothingUploaded,
        *BAD_IMAGES,
        ProcessingRestricted,
        AccountHidden,
        SubjectErased,
        Unavailable,
    ),
)
async def complete_upload(
    upload_id: UUID, user: UnrestrictedUser, service: Service, response: Response
) -> ImageOut:
    """Make the posted file an image. Its metadata, place of taking included, is removed from the bytes.

    Raises:   NothingUploaded: no file has arrived.  What is no image, or none that is taken, is removed.
    Personal: caption, time of taking and camera, to their own subject only.
    """
    image = await service.uploads.complete(user.id, upload_id)
    response.headers["Location"] = f"{PREFIX}/images/{image.id}"
    return ImageOut.of(image)


@router.get("/images", response_model=Page[ImageOut], responses=problems(InvalidCursor))
async def list_images(
    user: CurrentUser, service: Service, cursor: CursorParam = None, limit: Limit = 20
) -> Response:
    """Return the signed-in person's images, newest first.

    Personal: captions, times of taking and cameras, to their own subject only.
    """
    rows, next_cursor = await service.images.page(user.id, cursor, limit)
    return Response(page_json(rows, next_cursor), media_type="application/json")


@router.get("/images/{image_id}", responses=problems(ImageNotFound))
async def get_image(image_id: UUID, user: CurrentUser, service: Service) -> ImageOut:
    """Return one image.

    Raises:   ImageNotFound: absent or another person's; 404 for both.
    """
    return ImageOut.of(await service.images.find(user.id, image_id))


@router.patch("/images/{image_id}", responses=problems(ImageNotFound, AccountHidden, SubjectErased))
async def edit_image(image_id: UUID, body: EditImage, user: CurrentUser, service: Service) -> ImageOut:
    """Change an image's caption.

    Personal: the caption, to its own subject only.
    """
    return ImageOut.of(await service.images.caption(user.id, image_id, body.caption))


@router.get("/images/{image_id}/download", status_code=307, responses=problems(ImageNotFound))
async def download_image(image_id: UUID, user: CurrentUser, service: Service) -> RedirectResponse:
    """Lead to the image's own bytes: the address in `Location` is good for five minutes."""
    url = await service.images.download_url(user.id, image_id)
    return RedirectResponse(url, 307, {"Cache-Control": "no-store"})


@router.get(
    "/images/{image_id}/thumbnail",
    status_code=307,
    responses=problems(ImageNotFound, ThumbnailNotReady),
)
async def get_thumbnail(
    image_id: UUID, user: CurrentUser, service: Service, size: Size = Size.SMALL
) -> RedirectResponse:
    """Lead to a thumbnail: the address in `Location` is good for five minutes."""
    url = await service.images.thumbnail_url(user.id, image_id, size)
    return RedirectResponse(url, 307, {"Cache-Control": THUMBNAIL_CACHE})


@router.delete(
    "/images/{image_id}", status_code=204, responses=problems(ImageNotFound, AccountHidden, SubjectErased)
)
async def delete_image(image_id: UUID, user: CurrentUser, service: Service) -> None:
    """Delete an image for good: it is hidden at once, and its bytes follow.

    Raises:   ImageNotFound: absent, deleted or another person's; 404 for all.
    """
    await service.images.delete(user.id, image_id)
