"""The secrets of overlays/dev: made once in a cluster and kept there, since what is stored is sealed with them.

In production they come from a store of secrets (components/external-secrets).
"""

from collections.abc import Iterator

from deploy.k8s.cluster import Json, apply, found
from deploy.local.keys import SECRETS
from deploy.local.services import SECRETS_OF

STORE_KEYS = {"AWS_ACCESS_KEY_ID": "PIXERA_S3_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY": "PIXERA_S3_SECRET_KEY"}
"""By the names that the object store knows them."""
SERVERS, PLAYER = "stack", "player"


def ensure() -> None:
    """Make them where there are none. What they are is on no command line and in no file."""
    if not any(each["metadata"]["name"] == _name(SERVERS) for each in found("secret")):
        apply(made({name: make() for name, make in SECRETS.items()}))


def made(values: dict[str, str]) -> Iterator[Json]:
    """Yield a Secret for each that has some: of all values, those it works with."""
    for owner, names in SECRETS_OF.items():
        yield _secret(owner, {name: values[name] for name in sorted(names)})
    keys = {name: values[name] for name in STORE_KEYS.values()}
    yield _secret(SERVERS, keys | {theirs: values[ours] for theirs, ours in STORE_KEYS.items()})
    yield _secret(PLAYER, values)  # it looks into everything that is stored (demo/scanner.py)


def _secret(owner: str, values: dict[str, str]) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": _name(owner)}, "stringData": values}


def _name(owner: str) -> str:
    return f"{owner}-secrets"
