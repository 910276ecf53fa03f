"""How handlers say what they take, and how they are put together into consumer groups."""

from types import ModuleType
from typing import Any

import pytest

from libs.common.bus.consumes import Handler, Once, Subscription, consumes, subscriptions
from libs.common.bus.group import ConflictingSubscriptions, groups_of
from libs.common.events.auth import UserRegisteredV1, UserVerifiedV1

USER = "01890a5d-ac96-774b-bcce-b302099a8057"


class Service:
    """What handlers call."""

    def __init__(self) -> None:
        self.calls: list[Any] = []


@consumes(UserVerifiedV1, group="tests.one", batch=7)
async def one(event: UserVerifiedV1, service: Service) -> None:
    """Take one event inside the batch's transaction."""
    service.calls.append(event)


@consumes(UserVerifiedV1, group="tests.many")
async def many(events: list[UserVerifiedV1], service: Service) -> None:
    """Take all events of a batch."""
    service.calls.append(events)


@consumes(UserRegisteredV1, UserVerifiedV1, group="tests.io", concurrency=3)
async def io(event: UserRegisteredV1 | UserVerifiedV1, service: Service, once: Once) -> None:
    """Take either event outside of any transaction."""
    service.calls.append((event, once))


def module() -> ModuleType:
    """Return a service's handlers.py."""
    made = ModuleType("handlers")
    vars(made).update(one=one, many=many, io=io, also_one=one, helper=len)
    return made


async def test_every_marked_function_is_subscribed_once_and_bound_to_the_service() -> None:
    service = Service()
    found = {subscription.group: subscription for subscription in subscriptions(module(), service)}
    assert found.keys() == {"tests.one", "tests.many", "tests.io"}
    event = UserVerifiedV1.model_validate({"user_id": USER})
    await found["tests.one"].handler(event)
    await found["tests.many"].handler([event])
    await found["tests.io"].handler(event, "once")
    assert service.calls == [event, [event], (event, "once")]


def test_the_kind_of_a_handler_is_told_by_its_signature() -> None:
    found = {subscription.group: subscription for subscription in subscriptions(module(), Service())}
    assert [(found[f"tests.{name}"].io, found[f"tests.{name}"].many) for name in ("one", "many", "io")] == [
        (False, False),
        (False, True),
        (True, False),
    ]
    assert found["tests.one"].batch == 7
    assert found["tests.io"].concurrency == 3
    assert found["tests.io"].topics == ("user.registered", "user.verified")


def test_a_handler_that_takes_something_else_than_it_is_marked_with_is_refused() -> None:
    async def wrong(event: UserRegisteredV1, service: Service) -> None: ...

    with pytest.raises(TypeError, match="as it is marked"):
        consumes(UserVerifiedV1, group="tests.wrong")(wrong)
    with pytest.raises(TypeError):
        consumes(group="tests.nothing")(wrong)


async def nothing(*_: object) -> None:
    """A handler."""


def subscription(group: str, *events: type, handler: Handler = nothing, io: bool = False) -> Subscription:
    """Return a subscription."""
    return Subscription(tuple(events), group, handler, io)


def test_subscriptions_of_one_group_are_one_consumer() -> None:
    (group,) = groups_of(
        [subscription("tests.both", UserVerifiedV1), subscription("tests.both", UserRegisteredV1)]
    )
    assert group.topics == ("user.registered", "user.verified")
    assert group.readable["pixera.user.verified.v1"] is UserVerifiedV1


@pytest.mark.parametrize(
    "others",
    [
        [subscription("tests.both", UserVerifiedV1)],
        [subscription("tests.both", UserRegisteredV1, io=True)],
    ],
    ids=["two handlers for an event", "two kinds of handler"],
)
def test_what_one_consumer_cannot_run_is_refused(others: list[Subscription]) -> None:
    with pytest.raises(ConflictingSubscriptions):
        groups_of([subscription("tests.both", UserVerifiedV1), *others])
