"""What production comes to on Kubernetes, without a cluster: each process told what it needs, held up, let end."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from deploy.k8s import render
from deploy.k8s.generate import access, secrets
from deploy.local.gateway_routes import SERVICES
from libs.common.backup.settings import BackupSettings
from libs.common.bus.connection import KafkaTls
from libs.common.bus.settings import BusSettings
from libs.common.serving import ENDS_WITHIN_S

Json = dict[str, Any]
EVERYWHERE = (BackupSettings, BusSettings, KafkaTls)
"""Settings that any process may be told besides its service's own."""
PROBES = {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
APPLIED_TO_ALL: Json = {}


def of(kind: str) -> list[Json]:
    return [each for each in render.objects("prod") if each["kind"] == kind]


def workloads() -> list[Json]:
    return [*of("Deployment"), *of("Job")]


def name(thing: Json) -> str:
    return str(thing["metadata"]["name"])


def labels(workload: Json) -> dict[str, str]:
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def container(workload: Json) -> Json:
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(found)


def env(workload: Json) -> dict[str, str]:
    """What the manifest says outright."""
    return {each["name"]: each["value"] for each in container(workload)["env"] if "value" in each}


def selects(selector: Json, found: dict[str, str]) -> bool:
    """Whether a label selector fits labels."""
    exact = all(found.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    listed = selector.get("matchExpressions", [])
    return exact and all(found.get(each["key"]) in each["values"] for each in listed)


def kept_settings() -> dict[str, str]:
    (found,) = (each["data"] for each in of("ConfigMap") if name(each).startswith("settings-"))
    return dict(found)


def service_of(workload: Json) -> str:
    return labels(workload)["app.kubernetes.io/name"]


def classes(service: str) -> list[type[BaseSettings]]:
    return [secrets.settings_of(service), *EVERYWHERE]


def known(settings: type[BaseSettings]) -> Iterator[str]:
    for field in settings.model_fields:
        yield f"{settings.model_config['env_prefix']}{field}".upper()


WAYS_OUT = {
    "PIXERA_MONGO_URI": ("to-database", {"api", "worker", "renderer", "prepare"}),
    "PIXERA_S3_ACCESS_KEY": ("to-objects", {"api", "worker", "renderer"}),
    "PIXERA_SMTP_PASSWORD": ("to-mail", {"worker"}),
    "PIXERA_PAY_API_KEY": ("to-payments", {"api", "worker", "prepare"}),
    "PIXERA_VAULT_MASTER_KEY": ("to-kms", {"api", "worker", "renderer", "prepare"}),
}
"""Who works with a secret gets to where it opens, in the roles that do so."""
OF_KMS = {"PIXERA_KMS_ACCESS_KEY_ID", "PIXERA_KMS_SECRET_ACCESS_KEY"}
"""What asks where the master key is kept; an installation may keep it in its store of secrets instead."""
DEPLOYMENTS = (
    *(f"{service}-{role}" for service in access.SERVICES for role in ("api", "worker")),
    "generation-renderer",
)
JOBS = tuple(f"{service}-prepare" for service in access.SERVICES)
"""By name: what is rendered at the collection is rendered by every worker of the tests."""
EACH = pytest.mark.parametrize("workload", [*DEPLOYMENTS, *JOBS], indirect=True)
EACH_DEPLOYMENT = pytest.mark.parametrize("deployment", DEPLOYMENTS, indirect=True)


@pytest.fixture
def workload(request: pytest.FixtureRequest) -> Json:
    (found,) = (each for each in workloads() if name(each) == request.param)
    return found


@pytest.fixture
def deployment(request: pytest.FixtureRequest) -> Json:
    (found,) = (each for each in of("Deployment") if name(each) == request.param)
    return found


def test_each_workload_is_looked_at() -> None:
    assert sorted(map(name, of("Deployment"))) == sorted(DEPLOYMENTS)
    assert sorted(map(name, of("Job"))) == sorted(JOBS)


def test_every_service_has_an_api_a_worker_and_what_prepares_for_them() -> None:
    roles = {(service_of(each), container(each)["args"][-1]) for each in workloads()}
    assert roles == {(service, role) for service in access.SERVICES for role in ("api", "worker", "prepare")}


@EACH_DEPLOYMENT
def test_it_is_probed_and_held_up(deployment: Json) -> None:
    probes = {probe: container(deployment)[probe]["httpGet"]["path"] for probe in PROBES}
    assert probes == PROBES
    budgets = [
        each for each in of("PodDisruptionBudget") if selects(each["spec"]["selector"], labels(deployment))
    ]
    assert [each["spec"]["maxUnavailable"] for each in budgets] == [1]


@EACH
def test_it_reaches_nothing_that_is_not_said(workload: Json) -> None:
    over = [
        each["spec"] for each in of("NetworkPolicy") if selects(each["spec"]["podSelector"], labels(workload))
    ]
    closed = [each for each in over if each["policyTypes"] == ["Ingress", "Egress"]]
    assert closed == [{"podSelector": APPLIED_TO_ALL, "policyTypes": ["Ingress", "Egress"]}]
    ways_out = {port["port"] for each in over for rule in each.get("egress", []) for port in rule["ports"]}
    assert {53, 9093, 27017} <= ways_out
    whole = [
        rule for each in over for rule in (*each.get("egress", []), *each.get("ingress", [])) if len(rule) < 2
    ]
    assert whole == [], "a rule without a peer or without a port lets everybody in or everything out"


@EACH
def test_it_reaches_what_it_has_the_secrets_of(workload: Json) -> None:
    policies = {name(each): each["spec"]["podSelector"] for each in of("NetworkPolicy")}
    role = labels(workload)["app.kubernetes.io/component"]
    needed = {
        policy
        for secret, (policy, roles) in WAYS_OUT.items()
        if secret in secrets.names(service_of(workload)) and role in roles
    }
    open_to_it = {policy for policy, _ in WAYS_OUT.values() if selects(policies[policy], labels(workload))}
    assert open_to_it == needed


@EACH
def test_it_is_told_what_it_needs_and_nothing_unknown(
    workload: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_of(workload)
    told = kept_settings() | env(workload)
    fetched = {entry["secretKey"] for each in of("ExternalSecret") for entry in each["spec"]["data"]}
    understood = {setting for each in classes(service) for setting in known(each)}
    everyone = {s for each in access.SERVICES for settings in classes(each) for s in known(settings)}
    assert {setting for setting in env(workload) if setting not in understood} == set()
    assert {setting for setting in (*told, *fetched) if setting not in everyone} == set()
    for setting, value in (told | dict.fromkeys(secrets.names(service), "unused")).items():
        if not setting.startswith("PIXERA_BACKUP_"):  # keys of a length of their own
            monkeypatch.setenv(setting, value)
    for settings in classes(service):
        settings()


@EACH
def test_its_secrets_are_those_that_are_fetched_for_it(workload: Json) -> None:
    (named,) = (each["secretRef"]["name"] for each in container(workload)["envFrom"] if "secretRef" in each)
    (fetched,) = (each["spec"] for each in of("ExternalSecret") if each["spec"]["target"]["name"] == named)
    assert {entry["secretKey"] for entry in fetched["data"]} == secrets.names(service_of(workload)) | OF_KMS
    volumes = workload["spec"]["template"]["spec"]["volumes"]
    (files,) = (each["projected"]["sources"] for each in volumes if "projected" in each)
    assert [each["secret"]["name"] for each in files] == ["pixera-cluster-ca-cert", service_of(workload)]


@EACH
def test_its_image_is_one_that_is_built(workload: Json) -> None:
    image = re.fullmatch(r"registry\.example/pixera/([a-z]+):[\w.-]+", container(workload)["image"])
    assert image is not None
    assert image[1] == service_of(workload)
    assert image[1] in SERVICES


@EACH_DEPLOYMENT
def test_it_is_given_the_time_to_end(deployment: Json) -> None:
    waits = container(deployment).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > waits + ENDS_WITHIN_S


@EACH_DEPLOYMENT
def test_one_thing_scales_it(deployment: Json) -> None:
    lag = [
        name(each)
        for each in of("ScaledObject")
        if each["spec"]["scaleTargetRef"]["name"] == name(deployment)
    ]
    load = [
        name(each)
        for each in of("HorizontalPodAutoscaler")
        if each["spec"]["scaleTargetRef"]["name"] == name(deployment)
    ]
    works = container(deployment)["args"][-1] == "worker"
    assert (len(lag), len(load)) == ((1, 0) if works else (0, 1))
    assert "replicas" not in deployment["spec"], "who applies a release would undo what the lag asked for"


def test_each_group_is_consumed_and_scaled_for_in_one_place() -> None:
    """What a Deployment is scaled by is what its pods consume, topic by topic."""
    asked = {
        name(each): sorted(
            (trigger["metadata"]["consumerGroup"], trigger["metadata"]["topic"])
            for trigger in each["spec"]["triggers"]
        )
        for each in of("ScaledObject")
    }
    consumed: dict[str, list[tuple[str, str]]] = {}
    for deployment in of("Deployment"):
        if container(deployment)["args"][-1] == "worker":
            tuned = BusSettings(
                groups=env(deployment).get("PIXERA_BUS_GROUPS", ""),
                without_groups=env(deployment).get("PIXERA_BUS_WITHOUT_GROUPS", ""),
            )
            groups = tuned.chosen(access.of(service_of(deployment)).groups)
            consumed[name(deployment)] = sorted(
                {
                    (each.group, topic)
                    for each in access.subscriptions()
                    if each.group in groups
                    for topic in each.topics
                }
            )
    assert asked == consumed
    everything = sorted({(each.group, topic) for each in access.subscriptions() for topic in each.topics})
    assert sorted(pair for pairs in consumed.values() for pair in pairs) == everything
