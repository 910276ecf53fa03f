"""The event log over HTTP, for operators: streams of lines of JSON that end with what was read."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field
from starlette.types import Receive, Scope, Send

from libs.common.app import provided
from libs.common.bus.replay import LogUnavailable
from libs.common.errors import Forbidden, problems
from libs.common.identity import Staff
from services.privacy.history import Asked, Stream, TooManyStreams, UnknownEvents
from services.privacy.service import PrivacyService

NDJSON = "application/x-ndjson"
MOST_NAMES = 50

Service = Annotated[PrivacyService, Depends(provided(PrivacyService))]


class TimelineQuery(BaseModel):
    """Whose events, and of which time by the log's own clock."""

    subject: UUID
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class ReplayQuery(BaseModel):
    """Which events. Args: type: such as `pixera.user.deleted.v1`; rate: records a second, at most."""

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    type: list[str] = Field(default_factory=list, max_length=MOST_NAMES)
    topic: list[str] = Field(default_factory=list, max_length=MOST_NAMES)
    subject: UUID | None = None
    rate: int | None = Field(None, ge=1)


router = APIRouter(prefix="/api/privacy/v1/staff/events", tags=["privacy"])


class Streamed(StreamingResponse):
    """A stream that is closed when its reader has it whole, and when its reader goes away."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream.lines(), media_type=NDJSON)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; Starlette cancels the sending once the reader is gone."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._stream.close()


@router.get(
    "",
    responses=problems(Forbidden, UnknownEvents, TooManyStreams, LogUnavailable),
    response_class=Response,
)
async def replay(query: Annotated[ReplayQuery, Query()], staff: Staff, service: Service) -> Response:
    """Return what the log holds, in order within each partition, until where it ended when asked.

    Raises:   UnknownEvents (422); TooManyStreams (429); LogUnavailable (503).
    Effects:  publishes action.recorded.
    Personal: opaque ids; what is sealed is not opened.
    """
    asked = Asked(query.since, query.until, tuple(query.type), tuple(query.topic), query.subject, query.rate)
    return Streamed(await service.history.open(asked, staff.id))


@router.get(
    "/timeline",
    responses=problems(Forbidden, TooManyStreams, LogUnavailable),
    response_class=Response,
)
async def timeline(query: Annotated[TimelineQuery, Query()], staff: Staff, service: Service) -> Response:
    """Return everything about one person over all topics, in the order of the log's time.

    Raises:   TooManyStreams (429); LogUnavailable (503).
    Effects:  publishes action.recorded.
    Personal: opaque ids; what is sealed is not opened.
    """
    asked = Asked(query.since, query.until, subject=query.subject, in_order=True)
    return Streamed(await service.history.open(asked, staff.id))
