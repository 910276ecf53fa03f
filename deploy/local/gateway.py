"""The gateway's rules as Envoy's configuration: who may pass without a token, how much, how long, how often."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from deploy.local import gateway_errors, gateway_routes
from deploy.local.errors import StackError
from deploy.local.ports import HOST, public_url

Json = dict[str, Any]

ISSUER = "pixera"
AUDIENCE = "pixera-api"
JWKS_PATH = "/api/auth/v1/jwks.json"
JWKS_CACHE = 60  # seconds; a rotated-out key stays published for longer than this and a token's life
CLOCK_SKEW = 5  # seconds; Envoy's default would accept a token for a minute after its end
REQUESTS_PER_SECOND = 200
CREDENTIALS_PER_MINUTE = 30
API_BODY_LIMIT = 1_048_576
CONNECTION_LIMIT = 10_000
PENDING_LIMIT = 1_024  # requests that wait for a connection to one upstream
RETRIES_AT_ONCE = 64
REQUEST_TIMEOUT = "120s"  # for a whole request to arrive: 30 MB at 2 Mbit/s
# Seconds; shorter than a service keeps a connection, so that none is closed under a request.
UPSTREAM_IDLE = 60
# Claimed by a client these would be believed inside; only the gateway may say them.
IDENTITY_HEADERS = ("x-user-", "x-pixera-", "x-forwarded-", "x-envoy-", "x-real-", "x-jwt-", "forwarded")
CLIENT_ADDRESS = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
ACCESS_LOG = {
    "time": "%START_TIME%",
    "method": "%REQ(:METHOD)%",
    "route": "%ROUTE_NAME%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "duration_ms": "%DURATION%",
    "upstream": "%UPSTREAM_CLUSTER%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "request_id": "%REQ(X-REQUEST-ID)%",
}
"""What was asked of which route and how it went: no path, query, address, token or user agent.

Personal: none; a path can hold an id, and a route's name says as much to an operator.
"""
FILTERS = "envoy.extensions.filters.http"
# Every address that the name has is an upstream; one that is gone from it gets no more requests.
_BY_NAME = {"type": "STRICT_DNS", "dns_refresh_rate": "1s", "dns_lookup_family": "V4_ONLY"}


@dataclass(frozen=True)
class GatewaySettings:
    """What varies between stacks.

    Args: requests_per_second, credentials_per_minute: for each client address; the second for routes that
        take a password or an e-mail address. public_host: the name that people reach it by. listen: the address
        that it is reached at. hosts: where upstreams are by name, each with its own port; else they are here.
    """

    ports: Mapping[str, int]
    access_log: str
    requests_per_second: int
    credentials_per_minute: int
    public_host: str = HOST
    listen: str = HOST
    hosts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, ports: Mapping[str, int], access_log: str) -> "GatewaySettings":
        """Limits come from PIXERA_GATEWAY_REQUESTS_PER_SECOND and PIXERA_GATEWAY_CREDENTIALS_PER_MINUTE."""
        per_second = limit("PIXERA_GATEWAY_REQUESTS_PER_SECOND", REQUESTS_PER_SECOND)
        credentials = limit("PIXERA_GATEWAY_CREDENTIALS_PER_MINUTE", CREDENTIALS_PER_MINUTE)
        host = urlsplit(public_url(ports)).hostname or HOST
        return cls(ports, access_log, per_second, credentials, host)


def limit(setting: str, default: int) -> int:
    """A limit from the environment. Raises: StackError: it is not a positive number."""
    value = os.environ.get(setting, str(default))
    if not value.isdecimal() or int(value) == 0:
        raise StackError(f"{setting}={value} must be a whole number above 0.")
    return int(value)


def configuration(settings: GatewaySettings) -> Json:
    """Envoy's whole bootstrap configuration."""
    ports = settings.ports
    return {
        "node": {"id": "pixera-gateway", "cluster": "pixera"},
        "admin": {"address": _address(ports["gateway_admin"])},
        "overload_manager": {"resource_monitors": [_connection_limit()]},
        "static_resources": {
            "listeners": [
                {
                    "name": "gateway",
                    "address": _address(ports["gateway"], settings.listen),
                    "per_connection_buffer_limit_bytes": 262_144,
                    "filter_chains": [{"filters": [_connection_manager(settings)]}],
                }
            ],
            "clusters": [_cluster(name, ports[name], settings) for name in gateway_routes.UPSTREAMS],
        },
    }


def _connection_manager(settings: GatewaySettings) -> Json:
    return _typed(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="gateway",
        use_remote_address=True,
        skip_xff_append=True,
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        server_name="pixera",
        max_request_headers_kb=32,
        request_headers_timeout="10s",
        request_timeout=REQUEST_TIMEOUT,
        stream_idle_timeout="60s",
        common_http_protocol_options={
            "idle_timeout": "300s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        always_set_request_id_in_response=True,
        early_header_mutation_extensions=[_without_identity_headers()],
        local_reply_config=gateway_errors.local_replies(),
        access_log=[_access_log(settings.access_log)],
        http_filters=[_rate_limit(settings), _token_check(), _body_limit(), _router()],
        route_config={
            "name": "pixera",
            "ignore_port_in_host_matching": True,
            "virtual_hosts": [
                {
                    "name": "pixera",
                    "domains": _own_names(settings.public_host),
                    "routes": gateway_routes.routes(per_minute(settings.credentials_per_minute)),
                    # By itself Envoy would say this machine's address for every client on loopback.
                    "request_headers_to_add": gateway_routes.headers({"x-forwarded-for": CLIENT_ADDRESS}),
                    "response_headers_to_add": gateway_routes.headers(gateway_routes.SECURITY_HEADERS),
                    "response_headers_to_remove": ["x-envoy-upstream-service-time"],
                }
            ],
        },
    )


def _own_names(public_host: str) -> list[str]:
    """The hosts that are answered: a page elsewhere whose name was rebound to this machine is not."""
    return sorted({HOST, "localhost", public_host})


def _connection_limit() -> Json:
    return _typed(
        "envoy.resource_monitors.global_downstream_max_connections",
        "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        max_active_downstream_connections=CONNECTION_LIMIT,
    )


def _without_identity_headers() -> Json:
    removals = [{"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in IDENTITY_HEADERS]
    return _typed(
        "envoy.http.early_header_mutation.header_mutation",
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=removals,
    )


def _token_check() -> Json:
    provider = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "require_expiration": True,
        "clock_skew_seconds": CLOCK_SKEW,
        # Named, because the default also takes a token from the query, where logs would keep it.
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
        "forward": True,
        "jwt_cache_config": {"jwt_cache_size": 1_000},
        "remote_jwks": {
            "http_uri": {"uri": f"http://auth{JWKS_PATH}", "cluster": "auth-api", "timeout": "2s"},
            "cache_duration": f"{JWKS_CACHE}s",
            "async_fetch": {"fast_listener": True, "failed_refetch_duration": "0.5s"},
        },
    }
    rules = [{"match": match} for match in gateway_routes.open_matches()]
    rules.append({"match": {"prefix": "/api/"}, "requires": {"provider_name": "pixera"}})
    return _typed(
        "envoy.filters.http.jwt_authn",
        f"{FILTERS}.jwt_authn.v3.JwtAuthentication",
        providers={"pixera": provider},
        rules=rules,
    )


def _rate_limit(settings: GatewaySettings) -> Json:
    rate = settings.requests_per_second
    bucket = {"max_tokens": rate * 2, "tokens_per_fill": rate, "fill_interval": "1s"}
    return {"name": gateway_routes.RATE_LIMIT, "typed_config": rate_limit("gateway", bucket)}


def per_minute(limit: int) -> Json:
    """A limit for routes that take a password or an e-mail address."""
    bucket = {"max_tokens": limit, "tokens_per_fill": limit, "fill_interval": "60s"}
    return rate_limit("credentials", bucket)


def rate_limit(name: str, bucket: Json) -> Json:
    """A bucket for each client address; the least recently seen is forgotten past the ten-thousandth."""
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return {
        "@type": f"type.googleapis.com/{FILTERS}.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": name,
        "token_bucket": bucket,
        "filter_enabled": always,
        "filter_enforced": always,
        "rate_limits": [{"actions": [{"remote_address": {}}]}],
        "descriptors": [{"entries": [{"key": "remote_address"}], "token_bucket": bucket}],
        "max_dynamic_descriptors": 10_000,
        "always_consume_default_token_bucket": False,
    }


def _body_limit() -> Json:
    return _typed(gateway_routes.BODY_LIMIT, f"{FILTERS}.buffer.v3.Buffer", max_request_bytes=API_BODY_LIMIT)


def _router() -> Json:
    return _typed("envoy.filters.http.router", f"{FILTERS}.router.v3.Router")


def _access_log(path: str) -> Json:
    return _typed(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=path,
        log_format={"json_format": ACCESS_LOG},
    )


def _cluster(name: str, port: int, settings: GatewaySettings) -> Json:
    endpoint = {"endpoint": {"address": _address(port, settings.hosts.get(name, HOST))}}
    options = _typed(
        "",
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        common_http_protocol_options={"idle_timeout": f"{UPSTREAM_IDLE}s"},
        explicit_http_config={"http_protocol_options": {}},
    )
    return {
        "name": name,
        **(_BY_NAME if name in settings.hosts else {"type": "STATIC"}),
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [_threshold(gateway_routes.UPSTREAMS[name])]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options["typed_config"]
        },
    }


def _threshold(connections: int) -> Json:
    """What an upstream is given at most; what is beyond is answered with 503 at once."""
    return {
        "max_connections": connections,
        "max_requests": connections,
        "max_pending_requests": PENDING_LIMIT,
        "max_retries": RETRIES_AT_ONCE,
    }


def _address(port: int, host: str = HOST) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _typed(name: str, message: str, **fields: Any) -> Json:
    return {"name": name, "typed_config": {"@type": f"type.googleapis.com/{message}", **fields}}
