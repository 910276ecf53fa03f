"""How often one client may ask, with the limits that `make run` has."""

from pathlib import Path

import httpx
import pytest

from deploy.local.spawn import started
from tests.deploy.upstream import serving


@pytest.mark.slow
async def test_guessing_passwords_is_slowed_down(tmp_path: Path) -> None:
    limits = {"PIXERA_GATEWAY_REQUESTS_PER_SECOND": "50", "PIXERA_GATEWAY_CREDENTIALS_PER_MINUTE": "5"}
    with started(tmp_path, "--only", "", env=limits) as stack:
        async with serving(stack.ports["auth-api"]), httpx.AsyncClient(base_url=stack.gateway) as http:
            tries = [await http.post("/api/auth/v1/sessions") for _ in range(8)]
            others = [await http.get("/api/auth/v1/jwks.json") for _ in range(30)]
            many = [await http.get("/healthz") for _ in range(400)]
    assert [answer.status_code for answer in tries] == [200] * 5 + [429] * 3
    assert tries[-1].json()["code"] == "rate-limited"
    assert "retry-after" in tries[-1].headers
    assert {answer.status_code for answer in others} == {200}
    assert {answer.status_code for answer in many} == {200, 429}
