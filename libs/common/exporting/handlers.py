"""What every holder does about exports, wired by the process builder: a service writes nothing for it."""

from libs.common.bus.consumes import Handler, Subscription
from libs.common.events.privacy import ExportRequestedV1
from libs.common.exporting.gathering import Gathering


def export_subscription(service: str, handler: Handler) -> Subscription:
    """Return a service's subscription to requests for exports."""
    return Subscription(events=(ExportRequestedV1,), group=f"{service}.export", handler=handler, io=False)


def export_subscriptions(gathering: Gathering) -> list[Subscription]:
    """Return the holder's subscription, group `<service>.export`; what it asks for is written by a loop."""

    async def ask(event: ExportRequestedV1) -> None:
        """Note that a part of an export is asked for."""
        if event.anew in {None, gathering.name}:
            await gathering.ask(event.export_id, event.user_id, anew=event.anew is not None)

    return [export_subscription(gathering.holder.holdings.service, ask)]
