"""The data map in Fides' language: datasets, systems and what each does with which data.

Only the public taxonomy's keys are used; what it lacks is declared beside, as an extension of ours.
Source:   fideslang 3.1, https://ethyca.github.io/fideslang
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

import yaml

from libs.common.privacy.data_map import Record
from libs.common.privacy.data_map_page import held

ORGANIZATION = "pixera"
SUBJECT = "customer"

USES: Mapping[str, str] = {
    "service_delivery": "essential.service",
    "personalisation": "personalize.system",
    "security": "essential.service.security",
    "payment": "essential.service.payment_processing",
    "accountability": "essential.legal_obligation",
}
"""Our purposes, by the taxonomy's data uses."""

BASES: Mapping[str, str] = {
    "contract": "Contract",
    "legitimate_interests": "Legitimate interests",
    "consent": "Consent",
    "legal_obligation": "Legal obligations",
}

TRANSFERS: Mapping[str, str] = {
    "adequacy decision (Art. 45)": "Adequacy Decision",
    "standard contractual clauses (Art. 46(2)(c))": "SCCs",
    "binding corporate rules (Art. 46(2)(b), 47)": "BCRs",
}

OWN_CATEGORIES: tuple[Record, ...] = ()
"""Categories that the public taxonomy lacks, each `{fides_key, parent_key, name, description}`."""


def manifest(record: Record) -> dict[str, list[Record]]:
    """Return the whole map as a Fides manifest."""
    holdings = held(record)
    services = sorted({holding["service"] for holding in holdings})
    return {
        "organization": [_organization(record["controller"])],
        "data_category": list(OWN_CATEGORIES),
        "dataset": [_dataset(name, _of(holdings, name)) for name in services],
        "system": [
            *(_system(name, _of(holdings, name)) for name in services),
            *(_processor(each, holdings) for each in record["processors"]),
        ],
    }


def text(record: Record) -> str:
    """Return the manifest as YAML."""
    made: str = yaml.safe_dump(manifest(record), sort_keys=False, allow_unicode=True, width=110)
    return f"# Made from the declarations in the code by `make data-map`; not edited by hand.\n{made}"


def _of(holdings: Iterable[Record], service: str) -> list[Record]:
    return [holding for holding in holdings if holding["service"] == service]


def _key(service: str) -> str:
    return f"pixera_{service.replace(' ', '_')}"


def _organization(controller: Record) -> Record:
    return {
        "fides_key": ORGANIZATION,
        "name": controller["name"],
        "description": f"Reached by {controller['contact']}. About: {controller['data_subjects']}. "
        f"Security: {controller['security']}.",
    }


def _dataset(service: str, holdings: list[Record]) -> Record:
    return {
        "fides_key": _key(service),
        "organization_fides_key": ORGANIZATION,
        "name": service,
        "description": f"What {service} stores of people.",
        "collections": [_collection(holding) for holding in holdings],
    }


def _collection(holding: Record) -> Record:
    return {
        "name": holding["holding"],
        "description": f"{holding['kind']} {holding['where']}. {holding['erasure']}",
        "fields": _tree([(field["field"].split("."), field) for field in holding["fields"]]),
    }


def _tree(fields: list[tuple[list[str], Record]]) -> list[Record]:
    """Return fields by their dotted paths, those inside others under them."""
    by_head = groupby(sorted(fields, key=lambda field: field[0][0]), key=lambda field: field[0][0])
    return [_node(head, list(below)) for head, below in by_head]


def _node(name: str, fields: list[tuple[list[str], Record]]) -> Record:
    (path, field), *others = fields
    if path[1:] or others:
        return {"name": name, "fields": _tree([(path[1:], field) for path, field in fields])}
    return {
        "name": name,
        "description": f"kept {field['kept']}; at erasure {field['at_erasure']}",
        "data_categories": [field["category"]],
        "data_uses": [USES[field["purpose"]]],
        "data_subjects": [SUBJECT],
    }


def _system(service: str, holdings: list[Record]) -> Record:
    fields = [field for holding in holdings for field in holding["fields"]]
    return {
        "fides_key": f"{_key(service)}_service",
        "organization_fides_key": ORGANIZATION,
        "name": service,
        "description": f"Pixera's {service}, with everything it stores of people.",
        "system_type": "Service",
        "responsibility": ["Controller"],
        "dataset_references": [_key(service)],
        "egress": [_flow(name, fields) for name in _recipients(fields)],
        "privacy_declarations": list(_declarations(fields)),
    }


def _declarations(fields: list[Record]) -> Iterator[Record]:
    """Yield one declaration for each purpose, ground and period."""

    def reason(field: Record) -> tuple[str, str, str]:
        return field["purpose"], field["basis"], field["kept"]

    for (purpose, basis, period), group in groupby(sorted(fields, key=reason), key=reason):
        some = list(group)
        yield {
            "name": f"{purpose}, {basis}, {period}",
            "data_categories": _categories(some),
            "data_use": USES[purpose],
            "data_subjects": [SUBJECT],
            "egress": [_processor_key(name) for name in _recipients(some)],
            "legal_basis_for_processing": BASES[basis],
            "retention_period": period,
            "data_shared_with_third_parties": False,
        }


def _flow(processor: str, fields: list[Record]) -> Record:
    sent = [field for field in fields if processor in field["recipients"]]
    return {"fides_key": _processor_key(processor), "type": "system", "data_categories": _categories(sent)}


def _processor(processor: Record, holdings: list[Record]) -> Record:
    sent = [
        field
        for holding in holdings
        for field in holding["fields"]
        if processor["processor"] in field["recipients"]
    ]
    return {
        "fides_key": _processor_key(processor["processor"]),
        "organization_fides_key": ORGANIZATION,
        "name": processor["title"],
        "description": f"{processor['task']}; in {processor['country']}; at erasure: {processor['at_erasure']}",
        "system_type": "Processor",
        "responsibility": ["Processor"],
        "does_international_transfers": processor["transfer"],
        "legal_basis_for_transfers": [TRANSFERS[processor["safeguard"]]] if processor["transfer"] else [],
        "privacy_declarations": [_on_our_behalf(purpose, sent) for purpose in sorted(_purposes(sent))],
    }


def _on_our_behalf(purpose: str, fields: list[Record]) -> Record:
    some = [field for field in fields if field["purpose"] == purpose]
    return {
        "name": purpose,
        "data_categories": _categories(some),
        "data_use": USES[purpose],
        "data_subjects": [SUBJECT],
    }


def _processor_key(name: str) -> str:
    return f"processor_{name}"


def _categories(fields: Iterable[Record]) -> list[str]:
    return sorted({field["category"] for field in fields})


def _purposes(fields: Iterable[Record]) -> set[str]:
    return {field["purpose"] for field in fields}


def _recipients(fields: Iterable[Record]) -> list[str]:
    return sorted({name for field in fields for name in field["recipients"]})
