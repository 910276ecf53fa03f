"""The gateway over HTTP: who passes, what is taken away, what is refused and how."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from joserfc.jwk import OKPKey

from deploy.local.spawn import RunningStack
from tests.deploy.upstream import serving, token

PROTECTED = "/api/auth/v1/me"


@pytest.fixture(scope="module")
async def client(bare_stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, with a small service behind it."""
    async with (
        serving(bare_stack.ports["auth-api"]),
        httpx.AsyncClient(base_url=bare_stack.gateway) as http,
    ):
        while (await http.get(PROTECTED, headers=bearer(token()))).status_code != httpx.codes.OK:
            await asyncio.sleep(0.1)  # the gateway asks for the keys again every half second
        yield http


def bearer(value: str) -> dict[str, str]:
    return {"authorization": f"Bearer {value}"}


async def test_valid_token_reaches_the_service_with_its_path(client: httpx.AsyncClient) -> None:
    answer = await client.get(PROTECTED, headers=bearer(token()))
    assert answer.json()["path"] == PROTECTED


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("not-a-token"),
        bearer(token(lasts=-60)),
        bearer(token(issuer="somebody-else")),
        bearer(token(audience="another-api")),
        bearer(token(key=OKPKey.generate_key("Ed25519", {"kid": "test"}))),
    ],
    ids=["missing", "garbage", "expired", "issuer", "audience", "other key"],
)
async def test_without_a_valid_token_a_problem_document_answers(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.get(PROTECTED, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthenticated"
    assert answer.json()["status"] == 401
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_token_in_the_address_is_not_taken(client: httpx.AsyncClient) -> None:
    answer = await client.get(PROTECTED, params={"access_token": token()})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/auth/v1/sessions", 200),
        ("GET", "/api/auth/v1/sessions", 401),
        ("GET", "/api/auth/v1/jwks.json", 200),
        ("GET", "/api/auth/v1/jwks.json/../me", 401),
        ("GET", "/api/auth/v1%2Fme", 400),
        ("GET", "/api/auth/v1/purposes", 200),
        ("GET", "/api/privacy/v1/policies/terms", 503),
        ("GET", "/api/privacy/v1/device-storage", 503),
        ("POST", "/api/privacy/v1/policies/terms", 401),
        ("GET", "/api/privacy/v1/staff/policies", 401),
        ("GET", "/internal", 404),
    ],
)
async def test_only_declared_addresses_are_open(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    url = httpx.URL(str(client.base_url).rstrip("/")).copy_with(raw_path=path.encode())
    assert (await client.request(method, url)).status_code == status


async def test_identity_claimed_by_a_client_never_arrives(client: httpx.AsyncClient) -> None:
    forged = {
        "x-user-id": "victim",
        "X-Pixera-Role": "staff",
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-host": "evil.example",
        "forwarded": "for=203.0.113.9",
        "x-request-id": "chosen-by-client",
    }
    answer = await client.get(PROTECTED, headers=bearer(token()) | forged)
    arrived = answer.json()["headers"]
    assert arrived["x-forwarded-for"] == "127.0.0.1"
    assert not {"x-user-id", "x-pixera-role", "x-forwarded-host", "forwarded"} & arrived.keys()
    assert arrived["x-request-id"] == answer.headers["x-request-id"] != "chosen-by-client"


async def test_body_over_a_mebibyte_is_refused(client: httpx.AsyncClient) -> None:
    fits = await client.post("/api/auth/v1/sessions", content=b"x" * 1_000_000)
    over = await client.post("/api/auth/v1/sessions", content=b"x" * 1_100_000)
    assert (fits.status_code, fits.json()["size"]) == (200, 1_000_000)
    assert (over.status_code, over.json()["code"]) == (413, "body-too-large")


async def test_only_the_gateways_own_names_are_answered(client: httpx.AsyncClient) -> None:
    for host in ("127.0.0.1", "localhost", "localhost:8080"):
        assert (await client.get("/docs", headers={"host": host})).status_code == 200
    for host in ("rebound.example", "127.0.0.1.rebound.example:8080"):
        answer = await client.get("/docs", headers={"host": host})
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_the_sandbox_shows_its_pages_and_not_its_merchants_side(client: httpx.AsyncClient) -> None:
    assert (await client.get("/pay/checkout/1")).status_code == 503  # nobody serves it in this stack
    assert (await client.get("/pay/checkout.css")).status_code == 503
    for path in (
        "/pay/api/checkouts",
        "/pay/api/openapi.json",
        "/pay/healthz",
        "/pay/checkout/../api/checkouts",
    ):
        assert (await client.post(path)).status_code == 404


@pytest.mark.parametrize("path", ["/docs", "/mail/", PROTECTED, "/nowhere", "/pixera-gallery/none"])
async def test_security_headers_are_on_every_answer(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "strict-transport-security" not in headers


async def test_service_that_is_not_there_is_a_problem_document(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/billing/v1/packages")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_documentation_needs_no_other_host(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert "//" not in page.text.replace("<!doctype", "")
    for file in ("/docs/ui/swagger-ui-bundle.js", "/docs/ui/swagger-ui.css", "/docs/static/docs.js"):
        assert (await client.get(file)).status_code == 200
    assert (await client.get("/openapi.json")).json()["openapi"] == "3.1.0"


async def test_access_log_says_nothing_about_the_person(
    client: httpx.AsyncClient, bare_stack: RunningStack
) -> None:
    secret = "kept-out-of-logs"
    answer = await client.get(f"/api/auth/v1/{secret}", params={"q": secret}, headers={"user-agent": secret})
    log = bare_stack.home.logs / "gateway.access.jsonl"
    for _ in range(150):  # Envoy writes its log every ten seconds, or when 64 KiB are there
        if answer.headers["x-request-id"] in log.read_text():
            break
        await asyncio.sleep(0.1)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (line,) = [line for line in lines if line["request_id"] == answer.headers["x-request-id"]]
    assert (line["route"], line["status"]) == ("auth", 401)
    assert secret not in log.read_text()
    assert "127.0.0.1" not in log.read_text()
