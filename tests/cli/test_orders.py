"""Orders are followed through what blinks, not for ever, and go on without whoever looks."""

from itertools import chain, repeat

import pytest

from cli import orders
from cli.orders import Order, followed, reading
from cli.platform import Unanswered

WAITING: Order = {"state": "waiting", "read": 0, "total": 0}
DONE: Order = {"state": "done", "read": 3, "total": 3}
AWAY, REFUSED = Unanswered("nobody there", status=503), Unanswered("signed out", status=401)


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(orders, "PATIENCE_S", 0.2)


def follow(*given: Order | Unanswered, begins_within_s: float = 60) -> Order:
    """Follow an order that is answered so, and then as it was last."""
    told = chain(given, repeat(given[-1]))

    def look() -> Order:
        answer = next(told)
        if isinstance(answer, Unanswered):
            raise answer
        return answer

    return followed(WAITING, look, reading, "`pixera events replays` shows it.", begins_within_s)


def test_an_api_that_is_replaced_ends_nothing() -> None:
    assert follow(WAITING, AWAY, AWAY, DONE) == DONE


@pytest.mark.parametrize(
    ("given", "said"),
    [((AWAY,), "nobody there"), ((AWAY, REFUSED), "signed out"), ((WAITING,), "No worker takes it up")],
)
def test_what_does_not_come_back_does_and_the_order_goes_on(
    given: tuple[Order | Unanswered, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unanswered, match=said):
        follow(*given, begins_within_s=0.3)
    assert "It goes on without you: `pixera events replays` shows it." in capsys.readouterr().err
