"""Which of Pixera's processes run, and what each is told."""

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from deploy.local.children import fork
from deploy.local.errors import StackError
from deploy.local.gateway_routes import SERVICES
from deploy.local.home import ROOT, Home
from deploy.local.keys import SECRETS
from deploy.local.ports import HOST, MORE_WORKERS, public_url
from deploy.local.probe import answers
from deploy.local.serve import WebProcess, serve
from deploy.local.supervisor import Program

ROLES = ("api", "worker")
PAYMENT_SANDBOX = WebProcess("pay", "services.billing.providers.sandbox.app:create_app", 0)
MOST_WORKERS = 16

_EVERYONE = frozenset({"PIXERA_PSEUDONYM_KEY"})
_OBJECTS = frozenset({"PIXERA_S3_ACCESS_KEY", "PIXERA_S3_SECRET_KEY"})
_PAYMENTS = frozenset({"PIXERA_PAY_API_KEY", "PIXERA_WEBHOOK_SECRET"})
_VAULT = frozenset({"PIXERA_VAULT_MASTER_KEY"})
_LOOK_UPS = frozenset({"PIXERA_BLIND_INDEX_KEY"})
_BACKUPS = frozenset({"PIXERA_BACKUP_KEY", "PIXERA_BACKUP_VAULT_KEY"})
_CASES = frozenset({"PIXERA_CASE_TOKEN_KEY"})
SECRETS_OF: dict[str, frozenset[str]] = {
    "auth": _EVERYONE
    | _OBJECTS
    | _CASES
    | _VAULT
    | _LOOK_UPS
    | {"PIXERA_TOKEN_SIGNING_KEY", "PIXERA_STAFF_PASSWORD"},
    "gallery": _EVERYONE | _OBJECTS | _VAULT,
    "generation": _EVERYONE | _OBJECTS | _VAULT,
    "billing": _EVERYONE | _OBJECTS | _VAULT | _PAYMENTS,
    "pay": _EVERYONE | _PAYMENTS,
    "privacy": _EVERYONE | _OBJECTS | _CASES | _VAULT | _BACKUPS | {"PIXERA_CERTIFICATE_SIGNING_KEY"},
}
"""Which of the secrets each service works with."""


def processes(ports: Mapping[str, int], only: Iterable[str] | None = None) -> list[WebProcess]:
    """Every process of the services; `only` names services to keep.

    Raises: StackError: `only` names something else; GENERATION_WORKERS is not a sensible number.
    """
    chosen = SERVICES if only is None else tuple(only)
    if unknown := set(chosen) - set(SERVICES):
        raise StackError(
            f"There is no service {', '.join(sorted(unknown))}: choose from {', '.join(SERVICES)}."
        )
    found = [_process(service, role, ports) for service in chosen for role in ROLES]
    if "generation" in chosen:
        found += _more_workers(ports)
    if "billing" in chosen:
        found.append(WebProcess(PAYMENT_SANDBOX.name, PAYMENT_SANDBOX.factory, ports["pay"]))
    return found


def _process(service: str, role: str, ports: Mapping[str, int]) -> WebProcess:
    name = f"{service}-{role}"
    return WebProcess(name, f"services.{service}.main:create_app", ports[name], (role,))


def _more_workers(ports: Mapping[str, int]) -> Iterator[WebProcess]:
    """`generation-worker-2` and so on: as many as GENERATION_WORKERS says, one by default."""
    wanted = os.environ.get("GENERATION_WORKERS", "1")
    if not wanted.isdecimal() or not 1 <= int(wanted) <= MOST_WORKERS:
        raise StackError(f"GENERATION_WORKERS={wanted} must be a number from 1 to {MOST_WORKERS}.")
    base = ports["gateway_admin"] - 1 + MORE_WORKERS
    for number in range(2, int(wanted) + 1):
        name = f"generation-worker-{number}"
        yield WebProcess(name, "services.generation.main:create_app", base + number, ("worker",))


def check_written(processes: Iterable[WebProcess]) -> None:
    """Raises: StackError: a service's module is not there; nothing is imported to see that."""
    modules = {process.module for process in processes}
    missing = [each for each in modules if not ROOT.joinpath(*each.split(".")).with_suffix(".py").exists()]
    if missing:
        raise StackError(f"Missing: {', '.join(sorted(missing))}. Is this checkout whole?")


def program(process: WebProcess, home: Home, env: Mapping[str, str]) -> Program:
    """The process, as the supervisor keeps it running. Args: env: the whole platform's."""
    log = home.log(process.name)
    start = partial(fork, serve, process, log, told(process, env))
    return Program(process.name, start, partial(answers, process.port, "/readyz"), log)


def told(process: WebProcess, env: Mapping[str, str]) -> dict[str, str]:
    """What one process is told: of the secrets, those it works with, so that it cannot lose the others."""
    withheld = SECRETS.keys() - SECRETS_OF.get(process.name.partition("-")[0], frozenset())
    return {name: value for name, value in env.items() if name not in withheld}


def settings(
    ports: Mapping[str, int], secrets: Mapping[str, str], servers: Mapping[str, str]
) -> dict[str, str]:
    """What the platform's processes are told, all of it; `told` says which secrets each of them learns.

    Args: servers: where Kafka, MongoDB and S3 are, ours or existing ones, by setting.
    """
    gateway = public_url(ports)
    return {
        "PIXERA_ENV": "local",
        "PIXERA_LOG_LEVEL": os.environ.get("PIXERA_LOG_LEVEL", "INFO"),
        "PIXERA_PUBLIC_URL": gateway,
        "PIXERA_S3_PUBLIC_ENDPOINT": gateway,
        "PIXERA_JWKS_URL": f"http://{HOST}:{ports['auth-api']}/api/auth/v1/jwks.json",
        "PIXERA_PAY_URL": f"http://{HOST}:{ports['pay']}",
        "PIXERA_BILLING_URL": f"http://{HOST}:{ports['billing-api']}",
        "PIXERA_SMTP_HOST": HOST,
        "PIXERA_SMTP_PORT": str(ports["smtp"]),
        **secrets,
        **servers,
    }
