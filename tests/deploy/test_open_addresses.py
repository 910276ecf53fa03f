"""The gateway's list of open addresses against the contract: nothing is open by mistake, nothing shut by one."""

import json
from collections.abc import Iterator

import pytest

from deploy.local.gateway_routes import open_matches
from deploy.local.home import ROOT

CONTRACT = ROOT / "contracts" / "openapi" / "pixera.json"


def operations() -> Iterator[tuple[str, str, bool]]:
    """Method, path and whether a signed-in person is needed, of every operation."""
    for path, item in json.loads(CONTRACT.read_text())["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, bool(operation.get("security"))


def is_open(method: str, path: str) -> bool:
    """Whether the gateway lets this pass without a token."""
    for match in open_matches():
        fits = path == match["path"] if "path" in match else path.startswith(match["prefix"])
        methods = [header["string_match"]["exact"] for header in match.get("headers", [])]
        if fits and method in (methods or [method]):
            return True
    return False


@pytest.mark.parametrize(("method", "path", "signed_in"), list(operations()))
def test_open_exactly_where_the_contract_needs_no_token(method: str, path: str, signed_in: bool) -> None:
    assert is_open(method, path) is not signed_in
