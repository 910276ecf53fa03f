"""`python -m deploy.k8s.servers NAME`: one of the development servers of overlays/dev, as a pod's only process.

They are the programs that `make run` starts, reached from the whole namespace instead of from 127.0.0.1. `stores`
makes what fresh ones need, and ends.
"""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from deploy.local import chores
from deploy.local.components import envoy, kafka_dist, mongod, s3

EVERYWHERE = "0.0.0.0"  # noqa: S104 - in a pod, whose NetworkPolicy says who gets there
CONFIG = Path("/etc/pixera")
DATA = Path("/data")
GATEWAY_ADMIN = 9901
GATEWAY_DRAIN_S = 10


def run_kafka() -> None:
    """One KRaft node; its settings are in the overlay."""
    config = CONFIG / "kafka.properties"
    if not (DATA / "kafka" / "meta.properties").exists():
        formatting = kafka_dist.java(
            "kafka.tools.StorageTool", "format", "--cluster-id", kafka_dist.CLUSTER_ID, "--config", config
        )
        subprocess.run(formatting, check=True)
    become(kafka_dist.java("kafka.Kafka", config))


def run_mongo() -> None:
    """A replica set of one, as `make run` has it."""
    arguments = ("--replSet", mongod.REPLICA_SET, "--bind_ip_all", "--port", "27017", "--dbpath", DATA)
    become([mongod.BINARY, *arguments, *mongod.TUNING], mongod.libraries())


def run_s3() -> None:
    """The object store, in one process."""
    become([s3.BINARY, "mini", f"-dir={DATA}", f"-ip.bind={EVERYWHERE}", "-s3.port=8333", *s3.TUNING])


def run_gateway() -> None:
    """Envoy with the routes of `make run`; the configuration is generated (deploy/k8s/generate)."""
    draining = ("--drain-time-s", str(GATEWAY_DRAIN_S), "--drain-strategy", "immediate")
    become([envoy.binary(), "--config-path", CONFIG / "envoy.json", *envoy.TUNING, *draining])


def drain_gateway() -> None:
    """Have the gateway close its connections as their requests end; what Kubernetes does before it stops it."""
    address = f"http://127.0.0.1:{GATEWAY_ADMIN}/drain_listeners?graceful"
    urllib.request.urlopen(urllib.request.Request(address, method="POST"), timeout=2).close()
    time.sleep(GATEWAY_DRAIN_S)


def run_desk() -> None:
    """Captured e-mails and the API documentation."""
    from deploy.local.desk.app import create_app  # noqa: PLC0415 - only this server needs it
    from libs.common.serving import serve  # noqa: PLC0415 - as well

    sys.exit(serve(create_app(str(DATA), "1025", EVERYWHERE), EVERYWHERE, 8000))


def run_pay() -> None:
    """The payment sandbox."""
    from libs.common.serving import serve  # noqa: PLC0415 - only this server needs it
    from services.billing.providers.sandbox.app import create_app  # noqa: PLC0415 - as well

    sys.exit(serve(create_app(), EVERYWHERE, 8000))


def prepare_stores() -> None:
    """Make the replica set, the buckets and the topics; nothing where they are there."""
    chores.initiate_replica_set(27017, mongod.REPLICA_SET, "mongo")
    keys = os.environ["PIXERA_S3_ACCESS_KEY"], os.environ["PIXERA_S3_SECRET_KEY"]
    chores.make_buckets(os.environ["PIXERA_S3_ENDPOINT"], *keys, s3.BUCKETS)
    chores.make_topics(os.environ["PIXERA_KAFKA_BOOTSTRAP"])


def become(command: list[str | Path], env: dict[str, str] | None = None) -> None:
    """Be the program from now on, so that it gets the pod's signals."""
    parts = [str(part) for part in command]
    os.execvpe(parts[0], parts, {**os.environ, **(env or {})})  # noqa: S606 - the locked programs of `make setup`


SERVERS: dict[str, Callable[[], None]] = {
    "kafka": run_kafka,
    "mongo": run_mongo,
    "s3": run_s3,
    "gateway": run_gateway,
    "drain-gateway": drain_gateway,
    "desk": run_desk,
    "pay": run_pay,
    "stores": prepare_stores,
}

if __name__ == "__main__":
    SERVERS[sys.argv[1]]()
