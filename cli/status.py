"""`pixera status`: which parts of the platform answer."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import typer

from cli.output import NO, AsJson, emit, mark, table
from cli.platform import HOST, Platform

TIMEOUT_S = 3.0
GATEWAY_CHECKS = {
    "gateway": "/healthz",
    "auth": "/api/auth/v1/jwks.json",
    "billing": "/api/billing/v1/packages",
    "privacy": "/api/privacy/v1/keys",
}
"""What answers without a token, for platforms that do not run on this machine."""


def show(as_json: AsJson = False) -> None:
    """Ask every process whether it is ready: exit 0 if all are, 1 if not."""
    addresses = _addresses(Platform())
    with ThreadPoolExecutor(len(addresses)) as threads:
        answers = dict(zip(addresses, threads.map(_ask, addresses.values()), strict=True))
    if as_json:
        emit({name: {"ready": ready, "detail": detail} for name, (ready, detail) in answers.items()})
    else:
        rows = [(mark(ready), name, detail, addresses[name]) for name, (ready, detail) in answers.items()]
        table("Pixera", ("", "part", "", "address"), rows)
    raise typer.Exit(0 if all(ready for ready, _ in answers.values()) else NO)


def _addresses(platform: Platform) -> dict[str, str]:
    """Return what to ask, by name: every process of a stack on this machine, or what the gateway leads to."""
    processes = {
        name: f"http://{HOST}:{port}/readyz"
        for name, port in platform.ports.items()
        if name.endswith(("-api", "-worker")) or name in ("pay", "desk")
    }
    if not processes:
        return {name: platform.gateway + path for name, path in GATEWAY_CHECKS.items()}
    return {"gateway": f"{platform.gateway}/healthz", **processes}


def _ask(url: str) -> tuple[bool, str]:
    started = time.perf_counter()
    try:
        answer = httpx.get(url, timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        return False, type(error).__name__
    took = f"{(time.perf_counter() - started) * 1000:.0f} ms"
    if answer.is_success:
        return True, took
    return False, f"{answer.status_code}: {', '.join(_failing(answer)) or answer.reason_phrase}"


def _failing(answer: httpx.Response) -> list[str]:
    """Return the names of the checks that a process says do not pass."""
    try:
        report = answer.json()
    except ValueError:
        return []
    return [name for name, passed in report.items() if passed is False] if isinstance(report, dict) else []
