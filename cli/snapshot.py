"""Everything that `pixera status` can learn at one moment, asked of all parts at once."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from cli.platform import HOST, Platform, Unanswered

SERVICES = ("auth", "gallery", "generation", "billing", "privacy")
PROBE_S = 3.0
GATEWAY_CHECKS = {
    "auth": "/api/auth/v1/jwks.json",
    "billing": "/api/billing/v1/packages",
    "privacy": "/api/privacy/v1/keys",
}
"""What answers without a token, for platforms that do not run on this machine."""


@dataclass(frozen=True)
class Probe:
    """What one process says of itself. Args: failing: the names of the checks that do not pass."""

    ready: bool
    failing: tuple[str, ...] = ()
    took_ms: int = 0


@dataclass(frozen=True)
class Snapshot:
    """The platform at one moment.

    Args:     probes: by process, or by what the gateway leads to; services: each one's own account; erasures: the
              sum of the open ones; untold: why a service, or all, said nothing.
    """

    gateway: str
    probes: Mapping[str, Probe]
    services: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    erasures: dict[str, Any] | None = None
    untold: Mapping[str, str] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


def take(platform: Platform) -> Snapshot:
    """Ask every part of the platform at once. What does not answer is part of the picture."""
    addresses = _addresses(platform)
    routes = {name: (name, "/status") for name in SERVICES} | {"erasures": ("privacy", "/erasures")}
    with ThreadPoolExecutor(len(addresses) + len(routes)) as threads:
        asked = {name: threads.submit(_probe, platform.client, urls) for name, urls in addresses.items()}
        refused = _signed_in(platform)
        told = (
            {}
            if refused
            else {name: threads.submit(_told, platform, *route) for name, route in routes.items()}
        )
        answers = {name: answer.result() for name, answer in told.items()}
        probes = {name: answer.result() for name, answer in asked.items()}
    untold = {name: answer for name, answer in answers.items() if isinstance(answer, str)}
    given = {name: answer for name, answer in answers.items() if not isinstance(answer, str)}
    return Snapshot(
        gateway=platform.gateway,
        probes=probes,
        erasures=given.pop("erasures", None),
        services=given,
        untold=untold | ({"staff": refused} if refused else {}),
    )


def _signed_in(platform: Platform) -> str:
    """Sign in; return why that could not be done, empty where it could."""
    try:
        return "" if platform.staff_token else "the platform gave no token"
    except Unanswered as error:
        return str(error)


def _told(platform: Platform, service: str, path: str) -> dict[str, Any] | str:
    try:
        told: dict[str, Any] = platform.staff("GET", service, path)
    except Unanswered as error:
        return str(error)
    return told


def _addresses(platform: Platform) -> dict[str, tuple[str, ...]]:
    """Return what to ask, by name: every process of a stack on this machine, or what the gateway leads to.

    A worker is also asked whether it gets on with its work: one whose consumer hangs is ready all the same.
    """
    addresses: dict[str, tuple[str, ...]] = {"gateway": (f"{platform.gateway}/healthz",)}
    for name, port in platform.ports.items():
        if name.endswith(("-api", "-worker")):
            addresses[name] = tuple(f"http://{HOST}:{port}/{path}" for path in ("readyz", "healthz"))
        elif name in ("pay", "desk"):
            addresses[name] = (f"http://{HOST}:{port}/readyz",)
    if not platform.ports:
        addresses |= {name: (platform.gateway + path,) for name, path in GATEWAY_CHECKS.items()}
    return addresses


def _probe(client: httpx.Client, urls: tuple[str, ...]) -> Probe:
    started = time.perf_counter()
    failing = list(dict.fromkeys(name for url in urls for name in _failing(client, url)))
    return Probe(not failing, tuple(failing), round((time.perf_counter() - started) * 1000))


def _failing(client: httpx.Client, url: str) -> list[str]:
    """Return what does not pass, as the process names it or the network says it."""
    try:
        answer = client.get(url, timeout=PROBE_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return [f"no answer ({type(error).__name__})"]
    if answer.is_success:
        return []
    try:
        report = answer.json()
    except ValueError:
        report = None
    named = [name for name, passed in report.items() if passed is False] if isinstance(report, dict) else []
    return named or [f"HTTP {answer.status_code}"]
