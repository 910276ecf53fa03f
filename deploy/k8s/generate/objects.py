"""Objects as text, alike in every generated file."""

from collections.abc import Iterable
from typing import Any

import yaml

Json = dict[str, Any]

HEAD = "# Made from the code by `make contracts`; not edited by hand.\n"


def made(kind: str, api: str, name: str, spec: Json, **metadata: Any) -> Json:
    """Return an object. Args: metadata: what its metadata has besides the name."""
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def text(objects: Iterable[Json]) -> str:
    """Return objects as one file."""
    return HEAD + yaml.dump_all(
        objects, Dumper=_Plain, sort_keys=False, width=1_000, allow_unicode=True, explicit_start=False
    )


class _Plain(yaml.SafeDumper):
    """Writes what is there twice twice: nobody reads anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Tell that nothing is to be an alias."""
        del data
        return True
