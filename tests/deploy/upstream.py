"""A small service behind the real gateway: publishes a key, and says back what reached it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

KEY = OKPKey.generate_key("Ed25519", {"kid": "test", "use": "sig", "alg": "EdDSA"})
METHODS = ["GET", "POST", "PUT", "DELETE"]


def token(
    *, issuer: str = "pixera", audience: str = "pixera-api", lasts: int = 300, key: OKPKey = KEY
) -> str:
    """Sign an access token. Args: lasts: seconds; negative for one that is over."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": audience, "sub": "somebody", "iat": now - 600, "exp": now + lasts}
    return jwt.encode({"alg": "EdDSA", "kid": "test"}, claims, key, algorithms=["EdDSA"])


async def jwks(_: Request) -> Response:
    """The public key."""
    return JSONResponse(KeySet([KEY]).as_dict(private=False))


async def echo(request: Request) -> Response:
    """What reached the service."""
    body = await request.body()
    return JSONResponse({"path": request.url.path, "headers": dict(request.headers), "size": len(body)})


@asynccontextmanager
async def serving(port: int) -> AsyncIterator[None]:
    """Listen where the gateway expects a service."""
    routes = [Route("/api/auth/v1/jwks.json", jwks), Route("/{path:path}", echo, methods=METHODS)]
    config = uvicorn.Config(Starlette(routes=routes), port=port, log_level="error", ws="none")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True
        await task
