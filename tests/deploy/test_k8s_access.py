"""What the gateway and Kafka let through on Kubernetes, held against the contracts and the handlers."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from deploy.k8s import render
from deploy.k8s.generate import __main__ as generate
from deploy.k8s.generate import access, gateway, strimzi
from deploy.local.home import ROOT
from libs.common.events import event_classes, producer_of
from libs.common.revocations import TOPICS as OF_ENDED_SESSIONS

Json = dict[str, Any]
ASYNCAPI = json.loads((ROOT / "contracts" / "asyncapi.json").read_text())
OPENAPI = json.loads((ROOT / "contracts" / "openapi" / "pixera.json").read_text())
ALONE = re.compile(
    r"(account|consent|credits|payment|policy|session|user)\..*|(erasure|inventory)\.requested|erasure\.verified"
)
"""What nobody but its producer may say: who breaks into a service closes nobody's account with it."""
CHANGING = {"All", "Alter", "AlterConfigs", "ClusterAction", "Create", "Delete", "IdempotentWrite"}
EXACTNESS = {"Exact": 3, "RegularExpression": 2, "PathPrefix": 1}
"""Which match of a path goes first. Source: Gateway API, HTTPRouteRule.matches; Envoy Gateway for expressions."""


def test_what_is_committed_is_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    stale = [path for path, text in generate.made() if not path.exists() or path.read_text() != text]
    assert stale == [], "run `make contracts`"


def of(kind: str) -> dict[str, Json]:
    return {each["metadata"]["name"]: each["spec"] for each in render.objects("prod") if each["kind"] == kind}


def allowed(user: str, kind: str, operation: str) -> set[str]:
    """What a user may do that to; a prefix ends with `*`."""
    rules = of("KafkaUser")[user]["authorization"]["acls"]
    return {
        rule["resource"]["name"] + ("*" if rule["resource"].get("patternType") == "prefix" else "")
        for rule in rules
        if rule["resource"]["type"] == kind and operation in rule["operations"]
    }


def received() -> dict[str, set[str]]:
    """The topics that each service's groups receive, as the contract says."""
    found: dict[str, set[str]] = {}
    for operation in ASYNCAPI["operations"].values():
        if operation["action"] == "receive":
            channel = unquote(operation["channel"]["$ref"]).removeprefix("#/channels/")
            topic = ASYNCAPI["channels"][channel]["address"]
            found.setdefault(channel.partition(".")[0], set()).add(topic)
    return found


def letters(service: str) -> set[str]:
    return {f"{group}.dlq" for group in access.of(service).groups}


@pytest.mark.parametrize("service", access.SERVICES)
def test_a_service_reads_what_it_consumes_and_said_itself(service: str) -> None:
    own = {event.topic for event in event_classes() if producer_of(event) == service}
    said = own & allowed(service, "topic", "Write")
    expected = received()[service] | said | letters(service) | set(OF_ENDED_SESSIONS)
    if service == access.AUDITOR:
        expected |= {event.topic for event in event_classes()}
    assert allowed(service, "topic", "Read") - expected == set()
    assert expected - allowed(service, "topic", "Read") == set()
    assert allowed(service, "group", "Read") == set(access.of(service).groups)


@pytest.mark.parametrize("service", access.SERVICES)
def test_nobody_else_says_what_only_a_service_may(service: str) -> None:
    own = {event.topic for event in event_classes() if producer_of(event) == service}
    written = allowed(service, "topic", "Write")
    assert {topic for topic in written - own if ALONE.fullmatch(topic)} == set()
    assert letters(service) | {"action.recorded", "erasure.completed", "inventory.completed"} <= written
    others = {
        f"{group}.dlq" for each in access.everyone() if each.service != service for group in each.groups
    }
    assert written & others == set()


def test_every_event_has_who_may_publish_it() -> None:
    written = {topic for service in access.SERVICES for topic in allowed(service, "topic", "Write")}
    assert {event.topic for event in event_classes()} - written == set()


def test_nobody_makes_or_changes_topics_and_all_of_them_are_there() -> None:
    users, topics = of("KafkaUser"), of("KafkaTopic").keys()
    assert users.keys() >= {*access.SERVICES, strimzi.SCALER}
    for user, spec in users.items():
        rules = spec["authorization"]["acls"]
        assert {operation for rule in rules for operation in rule["operations"]} & CHANGING == set(), user
        assert all(rule.get("type", "allow") == "allow" for rule in rules), user
        named = {rule["resource"]["name"] for rule in rules if rule["resource"]["type"] == "topic"}
        assert named <= topics, user


def test_the_scaler_looks_and_nothing_else() -> None:
    rules = of("KafkaUser")[strimzi.SCALER]["authorization"]["acls"]
    assert {operation for rule in rules for operation in rule["operations"]} == {"Describe"}
    asked = [each["metadata"] for spec in of("ScaledObject").values() for each in spec["triggers"]]
    assert {each["topic"] for each in asked} == allowed(strimzi.SCALER, "topic", "Describe")
    assert {each["consumerGroup"] for each in asked} == allowed(strimzi.SCALER, "group", "Describe")


def test_a_record_is_in_two_of_three_places_before_it_counts() -> None:
    for topic, spec in of("KafkaTopic").items():
        assert (spec["replicas"], spec["config"]["min.insync.replicas"]) == (3, "2"), topic
    assert of("KafkaNodePool")["brokers"]["replicas"] == 3


def operations() -> Iterator[tuple[str, str, bool]]:
    """Method, path and whether a signed-in person is needed, of every operation."""
    for path, item in OPENAPI["paths"].items():
        for method, operation in item.items():
            yield method.upper(), re.sub(r"{\w+}", "0193", path), bool(operation.get("security"))


def fits(match: Json, method: str, path: str) -> bool:
    asked, kind = match["path"]["value"], match["path"]["type"]
    if match.get("method", method) != method:
        return False
    if kind == "RegularExpression":
        return re.fullmatch(asked, path) is not None
    return path == asked or (kind == "PathPrefix" and path.startswith(f"{asked}/"))


def way(method: str, path: str) -> tuple[str, str]:
    """The route and the backend that a request comes to."""
    found = [
        (EXACTNESS[match["path"]["type"]], len(match["path"]["value"]), "method" in match, route, rule)
        for route, spec in of("HTTPRoute").items()
        for rule in spec["rules"]
        for match in rule.get("matches", [])
        if fits(match, method, path)
    ]
    *_, route, rule = max(found, key=lambda each: each[:3])
    return route, rule["backendRefs"][0]["name"]


@pytest.mark.parametrize(("method", "path", "signed_in"), list(operations()))
def test_a_token_is_needed_exactly_where_the_contract_says(method: str, path: str, signed_in: bool) -> None:
    route, backend = way(method, path)
    checked = {each["name"] for spec in of("SecurityPolicy").values() for each in spec["targetRefs"]}
    assert (route in checked) is signed_in
    assert backend == ("privacy-api" if route == gateway.PAGES else f"{path.split('/')[2]}-api")


def test_a_token_is_held_to_its_issuer_and_audience_and_every_route_to_a_limit() -> None:
    (policy,) = of("SecurityPolicy").values()
    (provider,) = policy["jwt"]["providers"]
    assert (provider["issuer"], provider["audiences"]) == ("pixera", ["pixera-api"])
    assert not {"failOpen", "optional"} & policy["jwt"].keys()
    limited = [each["name"] for spec in of("BackendTrafficPolicy").values() for each in spec["targetRefs"]]
    assert sorted(limited) == sorted(of("HTTPRoute").keys() - {"to-https"})
    assert all(spec["rateLimit"]["local"]["rules"] for spec in of("BackendTrafficPolicy").values())
