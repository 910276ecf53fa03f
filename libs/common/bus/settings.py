"""Settings of the event bus (`PIXERA_BUS_…`); the defaults are the tuned ones."""

from collections.abc import Iterable

from pydantic_settings import BaseSettings, SettingsConfigDict

RETRY_BACKOFF_MS = 1_500
"""How long a client of Kafka waits before it tries again. The clients of a platform whose broker is away take from it
the processor that it needs to come back: with aiokafka's 100 ms they connect some thousand times a second, with half
a second 350 times.
Source:   `make chaos`, seeds 82 and 87 side by side on 2 cores, a full disk of Kafka's: it was back 45 and 49 s after
it had died with half a second, 18 and 19 s with a second, 9 and 11 s with one and a half.
"""


class UnknownGroups(ValueError):
    """A consumer group is named that is not there."""


class BusSettings(BaseSettings):
    """How the relay and the consumers behave. Times are in seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix="PIXERA_BUS_", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    groups: str = ""
    """The consumer groups that a process is a member of, separated by commas; all of its service where none is named.
    So one group's workers are scaled without the others'."""
    without_groups: str = ""
    """The groups that it leaves to other processes."""

    lease_ttl_s: float = 4.0
    """A relay that died is replaced within this and one look (0.5 s)."""

    sweep_every_s: float = 2.0
    """How often the relay looks for rows that no wake-up told it of."""
    publish_batch: int = 1_000
    """Most events that are published at once."""
    linger_ms: int = 0
    """How long the producer waits for more to send with it."""

    session_timeout_ms: int = 6_000
    """A consumer that was killed loses its partitions after this. It is Kafka's floor: a killed step of an erasure
    has to go on within 10 s, and whoever succeeds it waits for this first."""

    rebalance_timeout_ms: int = 20_000
    """How long a rebalance waits for a member that lives and still settles what it has under way: longer than
    `drain_s`, or it is dropped and the next rebalance begins. One that was killed is not waited for so long."""
    heartbeat_interval_ms: int = 1_500
    """How often a consumer says that it lives."""
    fetch_max_wait_ms: int = 500
    """How long the broker may hold a fetch back."""
    drain_s: float = 4.0
    """How long a rebalance, or a stop, waits for what is being worked on."""

    tries: int = 5
    """How often a handler is tried where the error passes by itself."""
    first_wait_s: float = 0.1
    """The wait before its second try; doubled from there."""
    longest_wait_s: float = 5.0
    """The longest of these waits."""
    dead_letters_a_minute: int = 100
    """A group that puts aside more stops instead."""
    stuck_after_s: float = 300.0
    """A consumer with work and without progress for so long is not alive any more."""
    lag_every_s: float = 10.0
    """How often lag is measured."""
    client_patience_s: float = 45.0
    """A consumer whose client of Kafka does not get on for so long, though there is work, gets a new client. It is
    longer than the 40 s that aiokafka gives a request, so that what ends by itself does."""

    def chosen(self, groups: Iterable[str]) -> set[str]:
        """Return those of a service's groups that this process consumes for.

        Raises:   UnknownGroups: a group is named that the service has not: nobody would consume for the one meant.
        """
        known, only, without = set(groups), _names(self.groups), _names(self.without_groups)
        if unknown := (only | without) - known:
            raise UnknownGroups(f"{', '.join(sorted(unknown))}: choose from {', '.join(sorted(known))}")
        return (only or known) - without


def _names(listed: str) -> set[str]:
    return {name for part in listed.split(",") if (name := part.strip())}
