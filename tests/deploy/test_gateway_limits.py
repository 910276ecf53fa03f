"""How often one client may ask: a limit for everything, and a stricter one where passwords can be guessed."""

import asyncio
from pathlib import Path

import httpx
import pytest

from deploy.local.spawn import started
from tests.deploy.upstream import serving

LIMITS = {"PIXERA_GATEWAY_REQUESTS_PER_SECOND": "2", "PIXERA_GATEWAY_CREDENTIALS_PER_MINUTE": "5"}


@pytest.mark.slow
async def test_guessing_passwords_is_slowed_down(tmp_path: Path) -> None:
    with started(tmp_path, "--only", "", env=LIMITS) as stack:
        async with serving(stack.ports["auth-api"]), httpx.AsyncClient(base_url=stack.gateway) as http:
            tries = await asyncio.gather(*(http.post("/api/auth/v1/sessions") for _ in range(8)))
            other = await http.get("/api/auth/v1/jwks.json")
            many = await asyncio.gather(*(http.get("/api/auth/v1/jwks.json") for _ in range(40)))
    assert sorted(answer.status_code for answer in tries) == [200] * 5 + [429] * 3
    refused = next(answer for answer in tries if answer.status_code == 429)
    assert refused.json()["code"] == "rate-limited"
    assert "retry-after" in refused.headers
    assert other.status_code == 200
    assert {answer.status_code for answer in many} == {200, 429}
