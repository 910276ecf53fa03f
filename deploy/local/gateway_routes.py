"""Which address leads where, and which of them need no token."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

SERVICES = ("auth", "gallery", "generation", "billing", "privacy")
API_CONNECTIONS, PAGE_CONNECTIONS, OBJECT_CONNECTIONS = 1_024, 64, 256
STREAM_CONNECTIONS = 4_096  # each live stream holds one
UPSTREAMS = {
    **{f"{service}-api": API_CONNECTIONS for service in SERVICES},
    "generation-api": STREAM_CONNECTIONS,
    "pay": PAGE_CONNECTIONS,
    "desk": PAGE_CONNECTIONS,
    "s3": OBJECT_CONNECTIONS,
}
"""Where requests go, and the most connections that the gateway opens there."""
PUBLIC_BUCKETS = ("pixera-gallery", "pixera-generation")

RATE_LIMIT = "envoy.filters.http.local_ratelimit"
BODY_LIMIT = "envoy.filters.http.buffer"

API_TIMEOUT = "15s"
UPLOAD_TIMEOUT = "120s"
STREAM_IDLE = "3600s"
UPLOAD_LIMIT = 30_000_000  # bytes of a whole upload, the form's other fields included
LARGEST = 2**62

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
API_HEADERS = {"content-security-policy": "default-src 'none'; frame-ancestors 'none'"}
OBJECT_HEADERS = {"content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'"}
PAGE_HEADERS = {
    "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

# No token yet: signing up and in, with a password or an e-mail address to guess at, and the contact form.
CREDENTIAL_PATHS = (
    "/api/auth/v1/users",
    "/api/auth/v1/users/verify",
    "/api/auth/v1/users/verify/resend",
    "/api/auth/v1/sessions",
    "/api/auth/v1/sessions/refresh",
    "/api/auth/v1/identity/codes",
    "/api/auth/v1/identity/proofs",
    "/api/auth/v1/staff/sessions",
    "/api/privacy/v1/requests",
)
OPEN_PATHS = (
    "/api/auth/v1/jwks.json",
    "/api/auth/v1/purposes",
    "/api/auth/v1/terms",
    "/api/billing/v1/packages",
    "/api/privacy/v1/certificates/head",
    "/api/privacy/v1/device-storage",
    "/api/privacy/v1/keys",
    "/api/privacy/v1/policies",
)
# A provider's signature, a case token, or a link to a request, is checked by the service itself.
OPEN_PREFIXES = ("/api/billing/v1/webhooks/", "/api/privacy/v1/cases/", "/api/privacy/v1/requests/")
OPEN_READS = ("/api/privacy/v1/policies/",)
PAGES = ("/privacy", "/contacts", "/requests")
"""Privacy's pages: the policy, the contact form, and what a mailed link to a request leads to."""
STREAMS = {
    "generation": r"/api/generation/v1/jobs/[^/]+/events",
    "privacy": r"/api/privacy/v1/(staff/(events(/timeline)?|backups/[^/]+/verification)|exports/[^/]+/archive)",
}
"""What is answered bit by bit, for as long as there is more of it."""


def open_matches() -> list[Json]:
    """What passes without a token; everything else under /api/ needs one."""
    posts = [{"path": path, "headers": [_method("POST")]} for path in CREDENTIAL_PATHS]
    reads = [{"path": path, "headers": [_method("GET")]} for path in OPEN_PATHS]
    below = [{"prefix": prefix, "headers": [_method("GET")]} for prefix in OPEN_READS]
    return [*posts, *reads, *below, *({"prefix": prefix} for prefix in OPEN_PREFIXES)]


def routes(credential_limit: Json) -> list[Json]:
    """Every route, first match first.

    Args: credential_limit: the stricter rate limit of the routes that take a password or e-mail address.
    """
    return [
        {"name": "healthz", "match": {"path": "/healthz"}, "direct_response": {"status": 200}},
        {
            "name": "home",
            "match": {"path": "/"},
            "redirect": {"path_redirect": "/docs", "response_code": "FOUND"},
        },
        *(_credential(path, credential_limit) for path in CREDENTIAL_PATHS),
        *(_stream(service, path) for service, path in STREAMS.items()),
        *(_api(service) for service in SERVICES),
        *(route for bucket in PUBLIC_BUCKETS for route in _bucket(bucket)),
        *(_page(f"page {path}", {"path_separated_prefix": path}, "privacy-api") for path in PAGES),
        # What the merchant's side of the sandbox offers is for billing alone.
        _page("pay", {"prefix": "/pay/checkout/"}, "pay"),
        _page("pay style", {"path": "/pay/checkout.css"}, "pay"),
        _page("docs", {"path_separated_prefix": "/docs"}, "desk"),
        _page("openapi", {"path": "/openapi.json"}, "desk"),
        _page("mail", {"path_separated_prefix": "/mail"}, "desk"),
    ]


def headers(values: Mapping[str, str], action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> list[Json]:
    """These headers. Args: action: what becomes of what was said before; it is overwritten if not said otherwise."""
    return [
        {"header": {"key": key, "value": value}, "append_action": action} for key, value in values.items()
    ]


def _credential(path: str, limit: Json) -> Json:
    match = {"path": path, "headers": [_method("POST")]}
    service, _, name = path.removeprefix("/api/").partition("/v1/")
    route = _to_service(f"{service} {name}", match, service)
    return route | {"typed_per_filter_config": {RATE_LIMIT: limit}}


def _api(service: str) -> Json:
    return _to_service(service, {"prefix": f"/api/{service}/v1/"}, service)


def _to_service(name: str, match: Json, service: str) -> Json:
    retry = {
        "retry_on": "connect-failure,refused-stream",  # the request was never read: any method is safe
        "num_retries": 3,
        "retry_back_off": {"base_interval": "0.05s", "max_interval": "0.5s"},
    }
    return {
        "name": name,
        "match": match,
        "route": {"cluster": f"{service}-api", "timeout": API_TIMEOUT, "retry_policy": retry},
        "response_headers_to_add": [*headers(API_HEADERS), _no_store()],
    }


def _stream(service: str, path: str) -> Json:
    route = _to_service(f"{service} events", {"safe_regex": {"regex": path}}, service)
    route["route"] |= {"timeout": "0s", "idle_timeout": STREAM_IDLE}
    return route


def _bucket(bucket: str) -> list[Json]:
    """Presigned addresses only: the object store refuses what is not signed.

    The Host header stays as it came, because the signature covers it.
    """
    match: Json = {"path_separated_prefix": f"/{bucket}"}
    sends = match | {"headers": [_sends_a_body()]}
    streamed = {"typed_per_filter_config": {BODY_LIMIT: _no_body_limit()}}
    forward = {
        "match": match,
        "route": {"cluster": "s3", "timeout": UPLOAD_TIMEOUT},
        "response_headers_to_add": headers(OBJECT_HEADERS),
    }
    return [
        _refusal(f"{bucket} too large", _and(sends, _longer_than(UPLOAD_LIMIT)), 413) | streamed,
        _refusal(f"{bucket} of unknown length", _and(sends, _without_length()), 411) | streamed,
        forward | {"name": f"{bucket} upload", "match": sends} | streamed,
        forward | {"name": bucket},
    ]


def _refusal(name: str, match: Json, status: int) -> Json:
    return {"name": name, "match": match, "direct_response": {"status": status}}


def _and(match: Json, header: Json) -> Json:
    return match | {"headers": [*match["headers"], header]}


def _sends_a_body() -> Json:
    return {"name": ":method", "string_match": {"safe_regex": {"regex": "POST|PUT"}}}


def _longer_than(limit: int) -> Json:
    return {"name": "content-length", "range_match": {"start": limit + 1, "end": LARGEST}}


def _without_length() -> Json:
    """A chunked body: nobody could tell beforehand that it is too large."""
    return {"name": "content-length", "present_match": False}


def _no_body_limit() -> Json:
    """Uploads are streamed: buffering them here would hold them in memory."""
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
        "disabled": True,
    }


def _page(name: str, match: Json, cluster: str) -> Json:
    """A page for people; what it says itself of what it loads is stricter, and stays."""
    return {
        "name": name,
        "match": match,
        "route": {"cluster": cluster, "timeout": API_TIMEOUT},
        "response_headers_to_add": headers(PAGE_HEADERS, "ADD_IF_ABSENT"),
    }


def _no_store() -> Json:
    return {"header": {"key": "cache-control", "value": "no-store"}, "append_action": "ADD_IF_ABSENT"}


def _method(name: str) -> Json:
    return {"name": ":method", "string_match": {"exact": name}}
