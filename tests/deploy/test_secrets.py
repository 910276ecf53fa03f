"""Each process is told the secrets it works with, and no others."""

import pytest

from deploy.local.keys import SECRETS
from deploy.local.serve import WebProcess
from deploy.local.services import PAYMENT_SANDBOX, SECRETS_OF, told
from deploy.local.spawn import RunningStack

ENV = {name: name.lower() for name in SECRETS} | {"PIXERA_LOG_LEVEL": "INFO"}


def process(name: str) -> WebProcess:
    return WebProcess(name, "services.nowhere.main:create_app", 1)


@pytest.mark.parametrize(
    ("secret", "owners"),
    [
        ("PIXERA_TOKEN_SIGNING_KEY", {"auth"}),
        ("PIXERA_STAFF_PASSWORD", {"auth"}),
        ("PIXERA_CERTIFICATE_SIGNING_KEY", {"privacy"}),
        ("PIXERA_CASE_TOKEN_KEY", {"auth", "privacy"}),
        ("PIXERA_S3_SECRET_KEY", {"auth", "billing", "gallery", "generation", "privacy"}),
        ("PIXERA_WEBHOOK_SECRET", {"billing", "pay"}),
        ("PIXERA_PAY_API_KEY", {"billing", "pay"}),
    ],
)
def test_a_secret_is_told_to_those_who_work_with_it(secret: str, owners: set[str]) -> None:
    assert {name for name in SECRETS_OF if secret in told(process(f"{name}-worker-2"), ENV)} == owners


def test_everybody_is_told_what_is_no_secret_and_strangers_nothing_else() -> None:
    assert told(PAYMENT_SANDBOX, ENV)["PIXERA_LOG_LEVEL"] == "INFO"
    assert told(process("desk"), ENV) == {"PIXERA_LOG_LEVEL": "INFO"}


def test_tests_are_told_everything(bare_stack: RunningStack) -> None:
    assert SECRETS.keys() <= bare_stack.env.keys()
