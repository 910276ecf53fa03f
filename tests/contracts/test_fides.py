"""The data map is what Fides' own library takes, and says nothing that is in no taxonomy."""

from typing import Any

import pytest
import yaml
from fideslang.default_taxonomy import DEFAULT_TAXONOMY
from fideslang.manifests import ingest_manifests
from fideslang.models import Taxonomy
from fideslang.parse import load_manifests_into_taxonomy
from fideslang.relationships import get_referenced_missing_keys

from contracts import fides
from contracts.data_map import all_holdings
from libs.common.privacy.annotations import Basis, Purpose
from libs.common.privacy.data_map import data_map
from libs.common.privacy.processors import Safeguard
from tests.contracts.test_events import CONTRACTS

PUBLIC = {
    key: {each.fides_key for each in getattr(DEFAULT_TAXONOMY, key) if each.version_deprecated is None}
    for key in ("data_category", "data_use", "data_subject")
}


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    """What the library makes of the committed file."""
    made: Taxonomy = load_manifests_into_taxonomy(ingest_manifests(str(CONTRACTS / "data-map.fides.yml")))
    return made


def unknown(manifest: Any) -> set[str]:
    """Return the keys of a manifest that neither the public taxonomy nor our own extension has."""
    known = set.union(*PUBLIC.values()) | {each["fides_key"] for each in fides.OWN_CATEGORIES}
    return set(_used(manifest)) - known


def _used(node: Any) -> Any:
    if isinstance(node, list):
        for inner in node:
            yield from _used(inner)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name in {"data_categories", "data_uses", "data_subjects"}:
                yield from value
            elif name == "data_use":
                yield value
            else:
                yield from _used(value)


def test_the_library_takes_every_dataset_and_system(taxonomy: Taxonomy) -> None:
    record = data_map(all_holdings())
    held = {f for each in record["holdings"] if each["fields"] for f in [each["holding"]]}
    assert held <= {each.name for dataset in taxonomy.dataset for each in dataset.collections}
    processors = {f"processor_{each['processor']}" for each in record["processors"]}
    assert processors <= {system.fides_key for system in taxonomy.system}
    assert all(system.privacy_declarations for system in taxonomy.system)


def test_whatever_it_refers_to_is_there(taxonomy: Taxonomy) -> None:
    own = {each.fides_key for part in (taxonomy.dataset, taxonomy.system) for each in part}
    missing = get_referenced_missing_keys(taxonomy) - own - {fides.ORGANIZATION, "default_organization"}
    assert missing <= set.union(*PUBLIC.values()), missing


def test_every_key_is_in_the_public_taxonomy_or_declared_as_our_own() -> None:
    manifest = yaml.safe_load((CONTRACTS / "data-map.fides.yml").read_text())
    assert unknown(manifest) == set()
    assert len(set(_used(manifest))) > 10


def test_a_made_up_category_is_seen() -> None:
    record = data_map(all_holdings())
    record["holdings"][0]["fields"][0]["category"] = "user.soul"
    assert unknown(fides.manifest(record)) == {"user.soul"}


def test_every_purpose_basis_and_safeguard_has_its_word() -> None:
    assert set(fides.USES) == {purpose.value for purpose in Purpose}
    assert set(fides.USES.values()) <= PUBLIC["data_use"]
    assert set(fides.BASES) == {basis.value for basis in Basis}
    assert set(fides.TRANSFERS) == {each.value for each in Safeguard} - {Safeguard.NONE_NEEDED.value}
