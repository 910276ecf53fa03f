"""The raw baseline of the image list: bare Starlette, the same query on the same driver, unsealed, the same JSON."""

import os
from uuid import UUID

import orjson
from motor.motor_asyncio import AsyncIOMotorClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

LISTED: tuple[str, ...] = (
    "state",
    "source",
    "media_type",
    "size_bytes",
    "width",
    "height",
    "caption",
    "taken_at",
    "camera",
)
LISTED += ("placeholder", "job_id", "index", "created_at")
PATH = "/api/gallery/v1/images"


def create_app() -> Starlette:
    """Return an app that lists one person's images and does nothing else."""
    client: AsyncIOMotorClient[dict[str, object]] = AsyncIOMotorClient(
        os.environ["PIXERA_MONGO_URI"], uuidRepresentation="standard", tz_aware=True
    )
    images = client["pixera_bench"]["images"]
    user_id = UUID(os.environ["BENCH_USER_ID"])
    projection = dict.fromkeys(LISTED, 1)

    async def listed(request: Request) -> Response:
        limit = int(request.query_params["limit"])
        query = {"user_id": user_id, "state": {"$ne": "deleting"}}
        cursor = images.find(query, projection, sort=[("created_at", -1), ("_id", -1)], limit=limit + 1)
        rows = (await cursor.to_list(limit + 1))[:limit]
        for row in rows:
            row["id"] = row.pop("_id")
            row["thumbnail_url"] = f"{PATH}/{row['id']}/thumbnail?size=small"
        body = orjson.dumps({"items": rows, "next_cursor": "x" * 32}, option=orjson.OPT_UTC_Z)
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/healthz", lambda _: Response()), Route(PATH, listed)])
