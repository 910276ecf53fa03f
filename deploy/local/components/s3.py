"""S3 by SeaweedFS, all of it in one process and on loopback."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from deploy.local.children import execute
from deploy.local.home import ROOT, Home
from deploy.local.ports import HOST
from deploy.local.probe import listens
from deploy.local.supervisor import Program

BINARY = ROOT / ".venv" / "bin" / "weed"
BUCKETS = ("pixera-gallery", "pixera-generation", "pixera-privacy")
TUNING = (
    *("-master.telemetry=false", "-volume.preStopSeconds=0"),
    *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
    *("-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false"),
)
SERVERS = ("master", "volume", "filer", "s3", "admin")


def endpoint(port: int) -> str:
    """How services reach it."""
    return f"http://{HOST}:{port}"


def program(home: Home, ports: Mapping[str, int], access_key: str, secret_key: str) -> Program:
    """The server, its data in `<home>/data/s3`; every port it opens is one of ours."""
    data = home.data / "s3"
    data.mkdir(exist_ok=True)
    command: list[str | Path] = [
        *(BINARY, "mini", f"-dir={data}", f"-ip={HOST}", f"-ip.bind={HOST}"),
        *TUNING,
    ]
    for server in SERVERS:
        key = "s3" if server == "s3" else f"s3_{server}"
        command += [f"-{server}.port={ports[key]}", f"-{server}.port.grpc={ports[f'{key}_grpc']}"]
    log = home.log("s3")
    credentials = {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key}
    start = partial(execute, command, log=log, cwd=home.run, env=credentials)
    return Program("s3", start, partial(listens, ports["s3"]), log)
