"""Kafka as one KRaft node, tuned to start fast and stay small."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import copytree

from deploy.local.children import execute
from deploy.local.components import kafka_dist
from deploy.local.home import Home
from deploy.local.ports import HOST
from deploy.local.probe import listens
from deploy.local.supervisor import Program

MESSAGE_LIMIT = 1_048_576  # bytes
POSITIONS_KEPT = 401 * 24 * 60
"""Minutes for which a group that is away keeps its positions: as long as any topic keeps its records. With none it
would begin at the oldest of them, which its inbox has forgotten by then, and do all of it again."""


@dataclass(frozen=True)
class Listener:
    """A further door for clients behind a proxy. Args: advertised: the proxy's port, which they are sent to."""

    name: str
    port: int
    advertised: int


def bootstrap(port: int) -> str:
    """How clients reach it."""
    return f"{HOST}:{port}"


def program(home: Home, port: int, controller_port: int, more: Sequence[Listener] = ()) -> Program:
    """The server, its data in `<home>/data/kafka`. Args: more: listeners besides the usual one."""
    data = home.data / "kafka"
    if not (data / "meta.properties").exists():
        copytree(kafka_dist.FORMATTED, data, dirs_exist_ok=True)
    config = home.run / "kafka.properties"
    config.write_text(properties(data, port, controller_port, more))
    log = home.log("kafka")
    start = partial(execute, kafka_dist.java("kafka.Kafka", config), log=log, cwd=home.run)
    return Program("kafka", start, partial(listens, port), log, stops_within=15)


def properties(data: Path, port: int, controller_port: int, more: Sequence[Listener] = ()) -> str:
    """The broker's settings. Args: more: listeners besides the usual one."""
    listeners = {"PLAINTEXT": port, "CONTROLLER": controller_port} | {each.name: each.port for each in more}
    advertised = {"PLAINTEXT": port} | {each.name: each.advertised for each in more}
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": _addresses(listeners),
        "advertised.listeners": _addresses(advertised),
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listeners),
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "message.max.bytes": MESSAGE_LIMIT,
        "log.retention.hours": 168,
        "log.segment.bytes": 67_108_864,
        "log.index.size.max.bytes": 1_048_576,
        # The cleaner's default buffer is half of this heap.
        "log.cleaner.threads": 1,
        "log.cleaner.dedupe.buffer.size": 4_194_304,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        # One node: every internal topic has one replica, and few partitions so that a start is quick.
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 8,
        "offsets.retention.minutes": POSITIONS_KEPT,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        # Nobody to wait for: one group member is the rule here.
        "group.initial.rebalance.delay.ms": 0,
        # Lets tests that kill consumers ask for sessions shorter than the usual floor of 6 s.
        "group.min.session.timeout.ms": 1_000,
        # A broker that was killed is let in again only when its old session has ended: 9 s by default.
        "broker.session.timeout.ms": 2_000,
        "broker.heartbeat.interval.ms": 500,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _addresses(listeners: Mapping[str, int]) -> str:
    return ",".join(f"{name}://{HOST}:{port}" for name, port in listeners.items())
