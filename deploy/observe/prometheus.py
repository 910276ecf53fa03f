"""A real Prometheus, Debian's, unpacked beside the other servers: nothing is installed into the machine."""

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import yaml

from deploy.local import bootstrap
from deploy.local.children import execute
from deploy.local.errors import StackError
from deploy.local.home import ROOT, Home
from deploy.local.ports import HOST
from deploy.local.probe import answers
from deploy.local.supervisor import Program

NAME = "prometheus"
FOLDER = bootstrap.TOOLS / NAME
SERVER = FOLDER / "usr" / "bin" / "prometheus"
PROMTOOL = FOLDER / "usr" / "bin" / "promtool"
RULES = ROOT / "deploy" / "observe" / "generated" / "rules.yaml"
ROLES = ("api", "worker")
SCRAPE_EVERY_S = 5


def install() -> None:
    """Effects: `.tools/prometheus` holds the server and promtool; nothing to do when it is there."""
    with bootstrap.one_at_a_time():
        bootstrap.step("Prometheus", FOLDER, _unpack, "deploy/observe/prometheus.py")


def _unpack(_: Path) -> None:
    """Fetch Debian's package as the machine's own apt does, and unpack it here.

    Lists of packages are the machine's, else fetched into a folder of ours: neither needs root.
    """
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    if shutil.which("apt-get") is None:
        raise StackError("Prometheus comes from Debian's packages, and there is no apt-get here.")
    lists = FOLDER / "lists"
    (lists / "partial").mkdir(parents=True)
    ours = f"apt-get -qq -o Dir::State::lists={lists}"
    download = f"apt-get -qq download {NAME} 2>/dev/null || ({ours} update && {ours} download {NAME})"
    bootstrap.run("Prometheus", "sh", "-c", f"cd {FOLDER} && ({download})")
    (package,) = FOLDER.glob("*.deb")
    bootstrap.run("Prometheus", "dpkg-deb", "-x", package, FOLDER)
    package.unlink()
    shutil.rmtree(lists)


def config(ports: Mapping[str, int], *, every_s: float = SCRAPE_EVERY_S) -> str:
    """Return whom to ask, as Prometheus reads it: each process of a service by service and role, and the gateway."""
    processes = [
        {
            "targets": [f"{HOST}:{port}"],
            "labels": dict(zip(("service", "role"), name.split("-"), strict=True)),
        }
        for name, port in sorted(ports.items())
        if name.partition("-")[2] in ROLES
    ]
    gateway = {"targets": [f"{HOST}:{ports['gateway_admin']}"]}
    jobs = [
        # HTTP metrics name their service themselves, and mean the same.
        {"job_name": "pixera", "honor_labels": True, "static_configs": processes},
        {"job_name": "gateway", "metrics_path": "/stats/prometheus", "static_configs": [gateway]},
    ]
    often = {"scrape_interval": f"{every_s:g}s", "evaluation_interval": f"{every_s:g}s"}
    return yaml.safe_dump({"global": often, "rule_files": [str(RULES)], "scrape_configs": jobs})


def program(home: Home, ports: Mapping[str, int], *, every_s: float = SCRAPE_EVERY_S) -> Program:
    """The server, its data in `<home>/data/prometheus`, on loopback."""
    file = home.run / "prometheus.yaml"
    file.write_text(config(ports, every_s=every_s))
    command: list[str | Path] = [
        *(SERVER, f"--config.file={file}", f"--storage.tsdb.path={home.data / NAME}"),
        *(f"--web.listen-address={HOST}:{ports[NAME]}", "--storage.tsdb.retention.time=2d"),
        *("--log.level=warn", "--web.enable-lifecycle"),
    ]
    log = home.log(NAME)
    start = partial(execute, command, log=log, cwd=home.run)
    return Program(NAME, start, partial(answers, ports[NAME], "/-/ready"), log)


if __name__ == "__main__":
    install()
