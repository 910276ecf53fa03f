"""`python -m deploy.k8s.schemas`: make the JSON schemas in this folder from what their projects publish.

Done by hand when a project's version is raised (README.md): the check itself needs no network. What an API server
holds an object against is kept, and nothing that only explains it; a field that is not in a schema is refused.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

HERE = Path(__file__).parent
KUBERNETES = {
    "core": (
        "v1",
        ("ConfigMap", "Namespace", "PersistentVolumeClaim", "Secret", "Service", "ServiceAccount"),
    ),
    "apps": ("v1", ("Deployment", "StatefulSet")),
    "autoscaling": ("v2", ("HorizontalPodAutoscaler",)),
    "batch": ("v1", ("CronJob", "Job")),
    "networking": ("v1", ("NetworkPolicy",)),
    "policy": ("v1", ("PodDisruptionBudget",)),
}
"""Kubernetes' own kinds that are used here, by API group with its version."""
DROPPED = ("default", "description", "example", "externalDocs", "format", "title")
ALTERNATIVES = ("allOf", "anyOf", "not", "oneOf")
"""Each of them says some of an object's fields, and the others may be there."""
WHOLE_NUMBER_OR_TEXT = {"oneOf": [{"type": "string"}, {"type": "integer"}]}


def main() -> int:
    """Write the schemas anew."""
    parser = argparse.ArgumentParser(prog="python -m deploy.k8s.schemas", description=__doc__)
    parser.add_argument("--crds", type=Path, required=True, help="a folder of CustomResourceDefinitions")
    parser.add_argument(
        "--kubernetes", type=Path, required=True, help="Kubernetes' definitions as JSON schema"
    )
    told = parser.parse_args()
    for name, schema in [*custom(told.crds), *own(json.loads(told.kubernetes.read_text())["$defs"])]:
        text = json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        (HERE / name).write_text(text + "\n")
    return 0


def custom(folder: Path) -> Iterator[tuple[str, Json]]:
    """Yield the schema of each custom kind that is here already, by its file's name; others are not used."""
    for file in sorted(folder.glob("*.yaml")):
        spec = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)["spec"]
        for version in spec["versions"]:
            name = _name(spec["names"]["kind"], spec["group"], version["name"])
            if (HERE / name).exists():
                yield name, _object(trimmed(version["schema"]["openAPIV3Schema"]))


def own(definitions: Json) -> Iterator[tuple[str, Json]]:
    """Yield the schema of each kind of Kubernetes' own, with the definitions that it needs."""
    for group, (version, kinds) in KUBERNETES.items():
        for kind in kinds:
            reference = f"io.k8s.api.{group}.{version}.{kind}"
            needed = {name: trimmed(definitions[name]) for name in sorted(_reached(definitions, reference))}
            yield (
                _name(kind, "" if group == "core" else group, version),
                {"$ref": f"#/$defs/{reference}", "$defs": needed},
            )


def trimmed(schema: Any, *, strict: bool = True) -> Any:
    """Return a part of an OpenAPI schema as JSON schema. Args: strict: fields that it does not name are refused."""
    if isinstance(schema, list):
        return [trimmed(each, strict=strict) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return WHOLE_NUMBER_OR_TEXT
    kept = {
        name: {key: trimmed(each, strict=strict) for key, each in value.items()}
        if name == "properties"
        else trimmed(value, strict=strict and name not in ALTERNATIVES)
        for name, value in schema.items()
        if name not in DROPPED and not name.startswith("x-")
    }
    if strict and "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        kept.setdefault("additionalProperties", False)
    return kept


def _object(schema: Json) -> Json:
    """A whole object: its metadata is Kubernetes' own."""
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def _reached(definitions: Json, name: str) -> set[str]:
    found, waiting = set(), [name]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += [reference.removeprefix("#/$defs/") for reference in _references(definitions[current])]
    return found


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _name(kind: str, group: str, version: str) -> str:
    """Return the file of a kind, as kubeconform looks for it: the kind, its group's first word, its version."""
    return "-".join(filter(None, (kind.lower(), group.partition(".")[0], version))) + ".json"


if __name__ == "__main__":
    sys.exit(main())
