"""The launcher's command line."""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.local import guard, preflight
from deploy.local.console import Progress
from deploy.local.errors import StackError
from deploy.local.home import DEFAULT_HOME, ROOT, Home
from deploy.local.ports import FreePorts, fixed_ports
from deploy.local.stack import Options, Stack, starts

FAILED = 1
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Build = Callable[[Options, Home, Mapping[str, int], Progress], Stack]


def main(build: Build = Stack) -> int:
    """Run until a signal; 0 after a stop that was asked for. Args: build: makes the stack, for a rig of its own."""
    arguments = parse(sys.argv[1:])
    with Progress(quiet=arguments.quiet) as progress:
        try:
            watch_over_children()
            asyncio.run(run(arguments, progress, build))
        except StackError as error:
            progress.finish()
            progress.fail(str(error))
            return FAILED
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """The launcher's options."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.launch", description=__doc__)
    parser.add_argument("--home", type=Path, default=DEFAULT_HOME, help="folder for data, logs and secrets")
    parser.add_argument("--fresh", action="store_true", help="start from empty data")
    parser.add_argument("--free-ports", action="store_true", help="take ports that nobody uses")
    parser.add_argument("--no-services", action="store_true", help="only Kafka, MongoDB, S3 and e-mail")
    parser.add_argument(
        "--only", type=names, help="services to start: auth,gallery; '' for none but the gateway"
    )
    parser.add_argument("--observe", action="store_true", help="start a Prometheus that watches")
    parser.add_argument("--die-with", type=int, metavar="PID", help="stop when this parent process is gone")
    parser.add_argument("--quiet", action="store_true", help="say only that it is ready, and what goes wrong")
    return parser.parse_args(arguments)


def names(text: str) -> tuple[str, ...]:
    """What commas separate; nothing for an empty text."""
    return tuple(filter(None, text.split(",")))


def watch_over_children() -> None:
    """Effects: nothing started from here outlives this process, however it ends."""
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = str(ROOT)  # the warm parent of the services starts with it
    os.environ["SPT_NOENV"] = "1"  # a process title must not overwrite the mark that the guard looks for
    os.environ["MALLOC_ARENA_MAX"] = "2"  # glibc otherwise keeps one heap for each of a service's threads
    mark = os.environ[guard.MARK] = uuid.uuid4().hex
    subprocess.Popen([sys.executable, "-I", "-S", guard.__file__, mark], stdin=subprocess.PIPE)


async def run(arguments: argparse.Namespace, progress: Progress, build: Build) -> None:
    """Raises: StackError: the stack does not come up."""
    options = Options(not arguments.no_services, arguments.only, arguments.observe)
    home = Home(arguments.home.resolve())
    home.make()
    alone = preflight.OneStackPerHome(home)
    alone.take()
    ports, held = take_ports(arguments, options)
    if arguments.fresh:
        home.empty()
        home.make()
    home.keep_last_logs()
    stack = build(options, home, ports, progress)
    stop = stop_on_signals()
    orphaned = asyncio.create_task(stop_without(arguments.die_with, stop))
    try:
        await until_stopped(stack, home, progress, stop)
    finally:
        await stack.down()
        orphaned.cancel()
        del alone, held


def take_ports(arguments: argparse.Namespace, options: Options) -> tuple[dict[str, int], FreePorts]:
    """Raises: StackError: this machine, or what is installed, or a port, does not allow a start."""
    started = starts(options)
    if any(started[name] for name in ("kafka", "mongod", "s3")):
        preflight.check_platform()
    preflight.check_installed(started)
    held = FreePorts()
    if arguments.free_ports:
        return held.take(), held
    ports = fixed_ports()
    preflight.check_ports(ports, started)
    return ports, held


async def until_stopped(stack: Stack, home: Home, progress: Progress, stop: asyncio.Event) -> None:
    """Bring it up, announce it, and keep it up until a signal."""
    coming_up = asyncio.ensure_future(stack.up())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({coming_up, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not coming_up.done():
        coming_up.cancel()
        await asyncio.wait({coming_up})
        return
    await coming_up
    address = stack.gateway or "no gateway (--no-services)"
    progress.announce(address, places(stack.gateway, home))
    await stack.stay_up(stop)
    progress.say("pixera: stopping …")


def places(gateway: str | None, home: Home) -> dict[str, str]:
    """Where to look next."""
    logs = {"logs": str(home.logs), "settings": str(home.stack_file)}
    if gateway is None:
        return logs
    return {"API docs": f"{gateway}/docs", "e-mails": f"{gateway}/mail/"} | logs


def stop_on_signals() -> asyncio.Event:
    """The first signal asks for an orderly stop; a second one ends everything at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stop.is_set():
            os._exit(FAILED)  # the kernel and the guard end the children
        stop.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, asked)
    return stop


async def stop_without(parent: int | None, stop: asyncio.Event) -> None:
    """A test run that was killed cannot ask its stack to stop."""
    while parent is not None and not stop.is_set():
        if os.getppid() != parent:
            stop.set()
        await asyncio.sleep(0.5)
