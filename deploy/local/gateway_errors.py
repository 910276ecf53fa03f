"""The gateway's own refusals, as the RFC 9457 problem documents that the services answer with too."""

from typing import Any

from deploy.local.gateway_routes import API_HEADERS, SECURITY_HEADERS, headers

Json = dict[str, Any]

PROBLEMS = (
    (400, "bad-request", "Bad request", "The request could not be understood."),
    (401, "unauthenticated", "Sign in first", "A valid access token is needed in the Authorization header."),
    (404, "not-found", "Not found", "There is nothing at this address."),
    (408, "request-timeout", "Too slow", "The request did not arrive in time."),
    (411, "length-required", "Length required", "Say in a Content-Length header how long the body is."),
    (413, "body-too-large", "Too large", "The request's body is larger than this address takes."),
    (429, "rate-limited", "Too many requests", "Wait a little, then try again."),
    (431, "headers-too-large", "Headers too large", "The request's headers are too large."),
    (503, "unavailable", "Not available now", "The service is starting or gone. Try again in a moment."),
    (504, "timeout", "No answer in time", "The service did not answer in time. Try again in a moment."),
)
OTHER = ("gateway-error", "The gateway could not answer", "Something went wrong on the way.")
UNAUTHENTICATED = 401
FORBIDDEN = 403
RETRY_LATER = {429: "10", 503: "1"}


def local_replies() -> Json:
    """For every status of 400 or more that Envoy itself answers."""
    known = [_reply(_is(status), status, *texts) for status, *texts in PROBLEMS]
    # A token for another audience: Envoy says 403, but it is as good as no token. Source: RFC 6750, 3.1.
    unauthenticated = next(texts for status, *texts in PROBLEMS if status == UNAUTHENTICATED)
    known.append(_reply(_is(FORBIDDEN), UNAUTHENTICATED, *unauthenticated) | {"status_code": UNAUTHENTICATED})
    return {"mappers": [*known, _reply(_at_least(400), 0, *OTHER)]}


def _reply(condition: Json, status: int, code: str, title: str, detail: str) -> Json:
    added = SECURITY_HEADERS | API_HEADERS
    if status in RETRY_LATER:
        added = added | {"retry-after": RETRY_LATER[status]}
    return {
        "filter": condition,
        "headers_to_add": headers(added),
        "body_format_override": {
            "content_type": "application/problem+json",
            "json_format": {
                "type": f"urn:pixera:problem:{code}",
                "title": title,
                "status": "%RESPONSE_CODE%",
                "detail": detail,
                "code": code,
                "request_id": "%REQ(X-REQUEST-ID)%",
            },
        },
    }


def _is(status: int) -> Json:
    return _compare("EQ", status)


def _at_least(status: int) -> Json:
    return _compare("GE", status)


def _compare(operation: str, status: int) -> Json:
    value = {"default_value": status, "runtime_key": "unused"}
    return {"status_code_filter": {"comparison": {"op": operation, "value": value}}}
