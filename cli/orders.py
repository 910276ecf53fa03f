"""What a service's worker does for an operator over a while: followed until it is over, whatever blinks meanwhile."""

import time
from collections.abc import Callable
from math import inf
from typing import Any

from cli.output import note, progress
from cli.platform import Unanswered

Order = dict[str, Any]
Told = tuple[str, int, int | None]

LOOK_EVERY_S = 0.5
PATIENCE_S = 30.0
"""For so long an API that does not answer is asked again: it may be one that is being replaced."""
OVER = frozenset({"done", "failed", "stopped"})


def followed(
    order: Order,
    look: Callable[[], Order],
    told: Callable[[Order], Told],
    goes_on: str,
    begins_within_s: float = inf,
) -> Order:
    """Return an order once it is over, with a bar of how far it is.

    Args:     look: asks for it again; told: what is said of it, how much is done, and of how much; goes_on: how to
              look at it later: nothing ends because nobody looks; begins_within_s: by then a worker takes it up.
    Raises:   Unanswered: it could not be looked at for a while, or no worker took it up.
    """
    try:
        return _followed(order, look, told, begins_within_s)
    except (KeyboardInterrupt, Unanswered):
        note(f"It goes on without you: {goes_on}")
        raise


def _followed(
    order: Order, look: Callable[[], Order], told: Callable[[Order], Told], begins_within_s: float
) -> Order:
    began = answered_at = time.monotonic()
    with progress() as bar:
        task = bar.add_task("waiting", total=None)
        while order["state"] not in OVER:
            if order["state"] == "waiting" and time.monotonic() - began > begins_within_s:
                raise Unanswered("No worker takes it up. Does the service's worker run? Try `pixera status`.")
            said, done, total = told(order)
            bar.update(task, description=said, completed=done, total=total)
            time.sleep(LOOK_EVERY_S)
            try:
                order, answered_at = look(), time.monotonic()
            except Unanswered as error:
                if not error.silent or time.monotonic() - answered_at > PATIENCE_S:
                    raise
    return order


def reading(order: Order) -> Told:
    """Return how far an order is that reads the log."""
    said = "waiting for a worker" if order["state"] == "waiting" else "reading the log"
    return said, order["read"], order["total"] or None
