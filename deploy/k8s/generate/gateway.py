"""The gateway's routes, token check and limits for Envoy Gateway, from what the local gateway is configured with.

What leads to the object store, the payment sandbox, the documentation and captured e-mails is not among them: people
reach an external store at its own address, and the others are for development.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from deploy.k8s.generate.objects import Json, made, text
from deploy.local import gateway, gateway_errors, gateway_routes

ROUTES, POLICIES = "gateway.networking.k8s.io/v1", "gateway.envoyproxy.io/v1alpha1"
FOLDER = Path("components/gateway/generated")
NAME = "pixera"
PORT = 8000
JWKS = f"http://auth-api.pixera.svc.cluster.local:{PORT}{gateway.JWKS_PATH}"
EVERY_CLIENT = tuple({"sourceCIDR": {"type": "Distinct", "value": every}} for every in ("0.0.0.0/0", "::/0"))
"""A bucket for each address; each of the gateway's pods has its own."""
CREDENTIALS, OPEN, STREAMS, API, PAGES = "credentials", "open", "streams", "api", "pages"
TOKEN_NEEDED = (STREAMS, API)


def files() -> Iterator[tuple[Path, str]]:
    """Yield the routes and what is asked of requests to them."""
    yield FOLDER / "routes.yaml", text(routes())
    yield FOLDER / "policies.yaml", text([_token_check(), *_limits(), _clients()])
    yield FOLDER / "proxy.yaml", text([_log()])


def routes() -> Iterator[Json]:
    """Yield the routes by what is asked of a request; the more exact match goes first whatever their order."""
    yield _route(CREDENTIALS, _by_service(_exact(path, "POST") for path in gateway_routes.CREDENTIAL_PATHS))
    yield _route(OPEN, _by_service(_open()))
    streams = {service: _match("RegularExpression", path) for service, path in gateway_routes.STREAMS.items()}
    yield _route(STREAMS, [_rule(service, [match], timeout="0s") for service, match in streams.items()])
    below = {service: _match("PathPrefix", f"/api/{service}/v1") for service in gateway_routes.SERVICES}
    yield _route(API, [_rule(service, [match]) for service, match in below.items()])
    pages = [
        _match("PathPrefix", path) for path in gateway_routes.PAGES
    ]  # they say themselves what they may load
    yield _route(PAGES, [_to("privacy", pages)])


def _open() -> Iterator[Json]:
    """Yield what needs no token, and has nothing to guess at."""
    yield from (_exact(path, "GET") for path in gateway_routes.OPEN_PATHS)
    # Not by prefix, which would take the address without what comes below it as well.
    yield from (_match("RegularExpression", f"{path}.+", "GET") for path in gateway_routes.OPEN_READS)
    yield from (_match("RegularExpression", f"{path}.+") for path in gateway_routes.OPEN_PREFIXES)


def _by_service(matches: Iterable[Json]) -> list[Json]:
    """Return a rule for each service that the addresses `/api/<service>/…` are of."""
    found: dict[str, list[Json]] = {}
    for match in matches:
        found.setdefault(match["path"]["value"].split("/")[2], []).append(match)
    return [_rule(service, of_it) for service, of_it in found.items()]


def _route(name: str, rules: list[Json]) -> Json:
    parents = [{"name": NAME, "sectionName": "https"}]
    return made("HTTPRoute", ROUTES, name, {"parentRefs": parents, "rules": rules})


def _rule(service: str, matches: list[Json], timeout: str = gateway_routes.API_TIMEOUT) -> Json:
    """To a service's API, whose answers are no pages."""
    said = [{"name": name, "value": value} for name, value in gateway_routes.API_HEADERS.items()]
    filters = [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": said}}]
    return _to(service, matches, timeout) | {"filters": filters}


def _to(service: str, matches: list[Json], timeout: str = gateway_routes.API_TIMEOUT) -> Json:
    backend = {"name": f"{service}-api", "port": PORT}
    return {"matches": matches, "backendRefs": [backend], "timeouts": {"request": timeout}}


def _exact(path: str, method: str) -> Json:
    return _match("Exact", path, method)


def _match(kind: str, path: str, method: str | None = None) -> Json:
    return {"path": {"type": kind, "value": path}} | ({"method": method} if method else {})


def _token_check() -> Json:
    provider = {
        "name": NAME,
        # Without these two, a token of anybody whose keys these are would do.
        "issuer": gateway.ISSUER,
        "audiences": [gateway.AUDIENCE],
        # By itself it would also take a token from the query, where logs would keep it.
        "extractFrom": {"headers": [{"name": "Authorization", "valuePrefix": "Bearer "}]},
        "remoteJWKS": {"uri": JWKS, "cacheDuration": f"{gateway.JWKS_CACHE}s"},
    }
    spec = {"targetRefs": _targets(TOKEN_NEEDED), "jwt": {"providers": [provider]}}
    return made("SecurityPolicy", POLICIES, "token", spec)


def _limits() -> Iterator[Json]:
    """How often, how long and how much, for what takes a password, for live streams, and for the rest."""
    yield _traffic(CREDENTIALS, (CREDENTIALS,), _at_most(gateway.CREDENTIALS_PER_MINUTE, "Minute"))
    ordinary = _at_most(gateway.REQUESTS_PER_SECOND, "Second")
    yield _traffic(
        STREAMS, (STREAMS,), ordinary, gateway_routes.STREAM_CONNECTIONS, gateway_routes.STREAM_IDLE
    )
    yield _traffic(API, (OPEN, API, PAGES), ordinary)


def _traffic(
    name: str,
    routes: Iterable[str],
    rate: Json,
    connections: int = gateway_routes.API_CONNECTIONS,
    stream_idle: str | None = None,
) -> Json:
    """Args: stream_idle: how long a stream may say nothing; where it is given, nothing else ends it."""
    http: dict[str, Any] = {"connectionIdleTimeout": f"{gateway.UPSTREAM_IDLE}s"}
    http |= {"requestTimeout": "0s", "streamIdleTimeout": stream_idle} if stream_idle else {}
    rules = [{"clientSelectors": [selector], "limit": rate} for selector in EVERY_CLIENT]
    spec = {
        "targetRefs": _targets(routes),
        "rateLimit": {"type": "Local", "local": {"rules": rules}},
        "requestBuffer": {"limit": f"{gateway.API_BODY_LIMIT // 2**20}Mi"},
        "circuitBreaker": {
            "maxConnections": connections,
            "maxParallelRequests": connections,
            "maxPendingRequests": gateway.PENDING_LIMIT,
            "maxParallelRetries": gateway.RETRIES_AT_ONCE,
        },
        "retry": {  # the request was never read: any method is safe
            "numRetries": 3,
            "retryOn": {"triggers": ["connect-failure", "refused-stream"]},
            "perRetry": {"backOff": {"baseInterval": "50ms", "maxInterval": "500ms"}},
        },
        "timeout": {"tcp": {"connectTimeout": "1s"}, "http": http},
        "responseOverride": [*_problems()],
    }
    return made("BackendTrafficPolicy", POLICIES, name, spec)


def _problems() -> Iterator[Json]:
    """Yield the gateway's own refusals as problem documents; what a service answers stays as it is."""
    for status, code, title, detail in gateway_errors.PROBLEMS:
        yield _problem(status, status, code, title, detail)
    # A token for another audience is as good as no token. Source: RFC 6750, 3.1.
    refused = next(each for each in gateway_errors.PROBLEMS if each[0] == gateway_errors.UNAUTHENTICATED)
    yield _problem(gateway_errors.FORBIDDEN, *refused)


def _problem(found: int, status: int, code: str, title: str, detail: str) -> Json:
    body = {
        "type": f"urn:pixera:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
    }
    response: Json = {
        "statusCode": status,
        "contentType": "application/problem+json",
        "body": {"type": "Inline", "inline": json.dumps(body)},
    }
    if wait := gateway_errors.RETRY_LATER.get(status):
        response["header"] = {"set": [{"name": "retry-after", "value": wait}]}
    return {
        "source": "Local",
        "match": {"statusCodes": [{"type": "Value", "value": found}]},
        "response": response,
    }


def _clients() -> Json:
    """What holds for every request before a route is looked for, and for every answer."""
    said = [{"name": name, "value": value} for name, value in gateway_routes.SECURITY_HEADERS.items()]
    headers = {
        "withUnderscoresAction": "RejectRequest",
        "maxRequestHeaderLimit": "32Ki",
        "earlyRequestHeaders": {
            "removeOnMatch": [{"type": "Prefix", "value": prefix} for prefix in gateway.IDENTITY_HEADERS]
        },
        "lateResponseHeaders": {
            "set": said,
            "addIfAbsent": [{"name": "cache-control", "value": "no-store"}],
        },
    }
    spec = {
        "targetRefs": [{"group": ROUTES.partition("/")[0], "kind": "Gateway", "name": NAME}],
        "headers": headers,
        "path": {"escapedSlashesAction": "RejectRequest"},
        "timeout": {
            "http": {
                "requestReceivedTimeout": gateway.REQUEST_TIMEOUT,
                "requestHeadersReceivedTimeout": "10s",
                "idleTimeout": "300s",
                "streamIdleTimeout": "60s",
            }
        },
        "connection": {"connectionLimit": {"value": gateway.CONNECTION_LIMIT}, "bufferLimit": "256Ki"},
        "tls": {"minVersion": "1.2"},
    }
    return made("ClientTrafficPolicy", POLICIES, NAME, spec)


def _log() -> Json:
    """What the gateway's pods write of requests: as the local one, nothing of whom or of what."""
    form = {"type": "JSON", "json": gateway.ACCESS_LOG}
    sinks = [{"type": "File", "file": {"path": "/dev/stdout"}}]
    spec = {"telemetry": {"accessLog": {"settings": [{"format": form, "sinks": sinks}]}}}
    return made("EnvoyProxy", POLICIES, NAME, spec)


def _targets(routes: Iterable[str]) -> list[Json]:
    return [{"group": ROUTES.partition("/")[0], "kind": "HTTPRoute", "name": name} for name in routes]


def _at_most(requests: int, unit: str) -> Json:
    return {"requests": requests, "unit": unit}
