"""What follows for a VERIFIED case when the law lets go of what it kept: pure, like all of the saga."""

from dataclasses import replace

from services.privacy.protocol import AmendCertificate, Policy, RetainedLooked
from services.privacy.state import Saga, Step


def amended(saga: Saga, happened: RetainedLooked, policy: Policy) -> Step:
    """Take in that what the law kept is gone: once for each holding, and not before the law lets go of it."""
    due = sorted(name for name, until in saga.retained.items() if until <= happened.at)
    gone = tuple(name for name in due if name in happened.gone)
    after = replace(saga, ended=saga.ended | dict.fromkeys(gone, happened.at))
    later = [until for until in after.retained.values() if until > happened.at]
    again = [happened.at + policy.look_again] if len(gone) < len(due) else []
    after = replace(after, look_at=min([*later, *again], default=None))
    return after, ((AmendCertificate(gone),) if gone else ())
