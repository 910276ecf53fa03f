"""The signed-in image list through the gateway, against bare Starlette behind the same gateway."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from uuid import UUID

import httpx

from bench import load
from bench.people import Size, Stores
from bench.report import Figure, keep
from demo.cast import role
from deploy.local import gateway
from deploy.local.components import envoy
from deploy.local.ports import FreePorts
from deploy.local.spawn import RunningStack

IMAGES = 200
PAGE = 10
CONNECTIONS = 16
SECONDS = 6.0
ROUNDS = 3
PATH = "/api/gallery/v1/images"
READY_WITHIN_S = 20.0


async def run(stack: RunningStack) -> bool:
    """Measure; return whether the bar was reached."""
    async with httpx.AsyncClient(base_url=stack.gateway, timeout=30) as http:
        person = role(http, "lister", photos=0, jobs=0).person
        await person.sign_up()
        user_id = UUID(person.user_id)
        stores, size = Stores(stack), Size(IMAGES, 0, 0, 0)
        await stores.fill(user_id, size, objects=False)
        stores.fill_bare(user_id, size)
        signed_in = {"Authorization": f"Bearer {person.token}"}
        ours, raw = [], []
        with bare_gateway(stack, user_id) as bare:
            for _ in range(ROUNDS):
                ours.append(await _rate(stack.gateway, signed_in))
                raw.append(await _rate(bare, signed_in))
    figure = Figure(
        f"image list ({PAGE} of {IMAGES}), {CONNECTIONS} connections, through the gateway",
        median(ours),
        "requests/s",
        ROUNDS,
        median(raw),
        ">= 0.6",
    )
    return keep("api", [figure])


async def _rate(address: str, headers: dict[str, str]) -> float:
    url = f"{address}{PATH}?limit={PAGE}"
    await load.run(url, headers, connections=CONNECTIONS, seconds=1)
    return (await load.run(url, headers, connections=CONNECTIONS, seconds=SECONDS)).per_second


@contextmanager
def bare_gateway(stack: RunningStack, user_id: UUID) -> Iterator[str]:
    """Run the bare app, and the platform's own gateway configuration in front of it; yield its address."""
    held = FreePorts()
    ports = dict(stack.ports) | {
        name: held.take()[name] for name in ("gateway", "gateway_admin", "gallery-api")
    }
    config = stack.home.run / "envoy-bare.json"
    settings = gateway.GatewaySettings(ports, str(stack.home.log("envoy-bare-access")), 1_000_000, 1_000_000)
    config.write_text(json.dumps(gateway.configuration(settings)))
    command = [envoy.binary(), "--config-path", str(config), "--disable-hot-restart", "--concurrency", "2"]
    with (
        _running(_bare(ports["gallery-api"]), dict(stack.env) | {"BENCH_USER_ID": str(user_id)}),
        _running(command, {}),
    ):
        address = f"http://127.0.0.1:{ports['gateway']}"
        _wait(f"http://127.0.0.1:{ports['gallery-api']}/healthz")
        _wait(f"{address}/healthz")
        yield address


def _bare(port: int) -> list[str]:
    options = ["--port", str(port), "--log-level", "warning", "--no-access-log", "--factory"]
    return [sys.executable, "-m", "uvicorn", "bench.bare:create_app", *options]


@contextmanager
def _running(command: list[str], env: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        env={**os.environ, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path.cwd(),
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        try:
            httpx.get(url, timeout=1)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{url} does not answer")
