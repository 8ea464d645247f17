"""The manifests: valid against Kubernetes's own schemas, consistent with each other, and true of a real server."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

import grpc
import kubernetes_validate
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from mink_server import settings

from tests.deploy.kustomize import render
from tests.deploy.tools import DEPLOY, ROOT, document, documents, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import MinkProcess

HERE = DEPLOY / "kubernetes"
KUSTOMIZATIONS = sorted(path.parent.name for path in HERE.glob("*/kustomization.yaml"))
# The oldest Kubernetes with everything that is used here, and the newest that is known.
VERSIONS = ["1.30", kubernetes_validate.latest_version()]
# Kinds of the Prometheus operator: not part of Kubernetes.
FOREIGN = {"PodMonitor"}
SETTINGS = {str(field.validation_alias) for field in settings.Settings.model_fields.values()}


def objects(name: str, kind: str) -> list[dict[str, Any]]:
    return [item for item in render(HERE / name) if item["kind"] == kind]


def one(name: str, kind: str) -> dict[str, Any]:
    (only,) = objects(name, kind)
    return only


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod that the manifests make, by kustomization and name."""
    for name in KUSTOMIZATIONS:
        for item in render(HERE / name):
            if item["kind"] in {"Deployment", "Job"}:
                yield f"{name}/{item['metadata']['name']}", item["spec"]["template"]


PODS = dict(pods())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_what_a_kustomization_gives_is_valid(name: str, version: str) -> None:
    for item in render(HERE / name):
        if item["kind"] not in FOREIGN:
            kubernetes_validate.validate(item, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", ["namespace.yaml", "secrets.example.yaml"])
def test_what_is_applied_by_itself_is_valid(file: str, version: str) -> None:
    for item in documents(HERE / file):
        kubernetes_validate.validate(item, version, strict=True)


def test_validation_finds_what_is_wrong() -> None:
    deployment = one("base", "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_kubectl_renders_the_same(name: str) -> None:
    # Only here to prove our own rendering, which all other tests use: not needed where kubectl is not.
    if not (kubectl := tool("kubectl", "kubectl", needed=False)):
        pytest.skip("kubectl: not installed")
    done = subprocess.run([kubectl, "kustomize", HERE / name], capture_output=True, text=True, check=True, timeout=60)

    def key(item: dict[str, Any]) -> tuple[str, str]:
        return item["kind"], item["metadata"]["name"]

    def sorted_mounts(item: dict[str, Any]) -> dict[str, Any]:
        if item["kind"] == "Deployment":
            pod = item["spec"]["template"]["spec"]
            pod["volumes"].sort(key=lambda volume: volume["name"])
            pod["containers"][0]["volumeMounts"].sort(key=lambda mount: mount["mountPath"])
        return item

    theirs = {key(item): sorted_mounts(item) for item in yaml.safe_load_all(done.stdout)}
    assert {key(item): sorted_mounts(item) for item in render(HERE / name)} == theirs


@pytest.mark.parametrize("name", PODS)
def test_a_pod_may_do_little(name: str) -> None:
    pod = PODS[name]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == int(re.findall(r"useradd --uid (\d+)", (ROOT / "Dockerfile").read_text())[0])
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert {kind for volume in pod.get("volumes", []) for kind in volume} <= {"name", "emptyDir", "secret"}


@pytest.mark.parametrize("name", PODS)
def test_an_image_is_of_this_version(name: str) -> None:
    version = re.findall(r'^version = "(.+)"$', (ROOT / "server/pyproject.toml").read_text(), re.MULTILINE)[0]
    assert {container["image"] for container in PODS[name]["spec"]["containers"]} == {f"mink:{version}"}


@pytest.mark.parametrize("name", PODS)
def test_secrets_come_from_secrets_only(name: str) -> None:
    for container in PODS[name]["spec"]["containers"]:
        for variable in container.get("env", []):
            if variable["name"] == "DATABASE_URL":
                assert variable["valueFrom"]["secretKeyRef"] == {"name": "mink-database", "key": "url"}
            else:
                assert not re.search("PASSWORD|TOKEN|SECRET", variable["name"])


def test_no_secret_is_in_a_kustomization() -> None:
    for name in KUSTOMIZATIONS:
        assert objects(name, "Secret") == []
    for item in documents(HERE / "secrets.example.yaml"):
        assert all("REPLACE" in value for value in item["stringData"].values())


def test_the_secrets_that_pods_want_are_those_of_the_example() -> None:
    example = {item["metadata"]["name"]: set(item["stringData"]) for item in documents(HERE / "secrets.example.yaml")}
    wanted: dict[str, set[str]] = {"mink-database": {"url"}}
    pod = PODS["secure/mink"]["spec"]
    data = one("secure", "ConfigMap")["data"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    for volume in pod["volumes"]:
        if "secret" in volume:
            folder = mounts[volume["name"]] + "/"
            wanted[volume["secret"]["secretName"]] = {
                path.removeprefix(folder) for path in data.values() if path.startswith(folder)
            }
    assert wanted == example


@pytest.mark.parametrize("name", ["base", "secure"])
def test_the_settings_are_settings_and_fit_together(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = one(name, "ConfigMap")["data"]
    assert {key for key in data if not key.startswith("OTEL_")} <= SETTINGS
    for key in SETTINGS:
        monkeypatch.delenv(key, raising=False)
    for key, value in (data | {"DATABASE_URL": "postgresql://mink@localhost/mink"}).items():
        monkeypatch.setenv(key, value)
    loaded = settings.load()
    assert loaded.insecure is (name == "base")


@pytest.mark.parametrize("name", ["base/mink", "secure/mink"])
def test_a_server_has_longer_to_leave_than_it_takes(name: str) -> None:
    pod = PODS[name]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = float(one(name.removesuffix("/mink"), "ConfigMap")["data"]["MINK_DRAIN_SECONDS"])
    assert pod["terminationGracePeriodSeconds"] >= pause + drain + 10


@pytest.mark.parametrize("name", ["base/mink", "secure/mink"])
def test_ports_are_those_that_the_server_listens_on(name: str) -> None:
    container = PODS[name]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    data = one(name.removesuffix("/mink"), "ConfigMap")["data"]
    listens = {"grpc": "MINK_LISTEN", "health": "MINK_HTTP_LISTEN", "metrics": "MINK_METRICS_LISTEN"}
    assert ports == {port: int(data[setting].rpartition(":")[2]) for port, setting in listens.items()}
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container[kind]
        assert len({"grpc", "httpGet"} & set(probe)) == 1
        if "grpc" in probe:
            # A gRPC probe takes a number only.
            assert probe["grpc"]["port"] == ports["grpc"]
        else:
            assert probe["httpGet"]["port"] == "health"


def test_grpc_probes_are_not_used_with_tls() -> None:
    assert "MINK_TLS_CERT_FILE" in one("secure", "ConfigMap")["data"]
    container = PODS["secure/mink"]["spec"]["containers"][0]
    assert not [kind for kind in container if kind.endswith("Probe") and "grpc" in container[kind]]
    container = PODS["base/mink"]["spec"]["containers"][0]
    assert {kind for kind in container if kind.endswith("Probe") and "grpc" in container[kind]} == {
        "startupProbe",
        "readinessProbe",
    }


@pytest.mark.parametrize("name", ["base/mink", "secure/mink"])
def test_a_database_that_is_away_does_not_restart_servers(name: str) -> None:
    assert PODS[name]["spec"]["containers"][0]["livenessProbe"]["httpGet"]["path"] == "/health/live"


@pytest.mark.parametrize("name", ["base/mink", "secure/mink"])
def test_probes_succeed_on_a_server(name: str, server: MinkProcess) -> None:
    for kind, probe in PODS[name]["spec"]["containers"][0].items():
        if not kind.endswith("Probe"):
            continue
        if "grpc" in probe:
            with grpc.insecure_channel(server.grpc_address) as channel:
                request = health_pb2.HealthCheckRequest(service=probe["grpc"]["service"])
                answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        else:
            url = f"http://{server.http_address}{probe['httpGet']['path']}"
            assert urllib.request.urlopen(url, timeout=10).status == 200


def selects(selector: dict[str, str], template: dict[str, Any]) -> bool:
    return selector.items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize("name", ["base", "secure"])
def test_everything_selects_the_servers(name: str) -> None:
    server = PODS[f"{name}/mink"]
    migration = PODS["migrate/mink-migrate"]
    deployment = one(name, "Deployment")["spec"]
    budget = one(name, "PodDisruptionBudget")["spec"]
    policy = one(name, "NetworkPolicy")["spec"]
    monitor = one("monitoring", "PodMonitor")["spec"]
    spread = server["spec"]["topologySpreadConstraints"]
    selectors = [
        deployment["selector"]["matchLabels"],
        budget["selector"]["matchLabels"],
        policy["podSelector"]["matchLabels"],
        monitor["selector"]["matchLabels"],
        *(constraint["labelSelector"]["matchLabels"] for constraint in spread),
        *(service["spec"]["selector"] for service in objects(name, "Service")),
    ]
    for selector in selectors:
        assert selects(selector, server)
        assert not selects(selector, migration)
    assert selects(one("migrate", "NetworkPolicy")["spec"]["podSelector"]["matchLabels"], migration)
    assert server["spec"]["serviceAccountName"] == one(name, "ServiceAccount")["metadata"]["name"]


def test_ports_have_the_names_that_others_use() -> None:
    names = {port["name"] for port in PODS["base/mink"]["spec"]["containers"][0]["ports"]}
    for service in objects("base", "Service"):
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    ingress = one("base", "NetworkPolicy")["spec"]["ingress"]
    assert {port["port"] for rule in ingress for port in rule["ports"]} == {"grpc", "metrics"}
    monitor = one("monitoring", "PodMonitor")
    assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= names
    # The rules look for job="mink", which is the value of this label.
    assert PODS["base/mink"]["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "mink"


def test_servers_are_several_and_one_may_go() -> None:
    deployment = one("base", "Deployment")["spec"]
    assert deployment["replicas"] >= 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert one("base", "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_clients_have_an_address_per_server_and_one_for_all() -> None:
    kinds = {service["metadata"]["name"]: service["spec"].get("clusterIP", "") for service in objects("base", "Service")}
    assert kinds == {"mink-headless": "None", "mink": ""}


def test_the_migration_works_on_the_same_schema() -> None:
    (container,) = PODS["migrate/mink-migrate"]["spec"]["containers"]
    assert container["args"] == ["migrate", "up"]
    values = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert set(values) <= SETTINGS
    assert values["DATABASE_SCHEMA"] == one("base", "ConfigMap")["data"]["DATABASE_SCHEMA"]


def test_the_namespace_admits_restricted_pods_only() -> None:
    namespace = document(HERE / "namespace.yaml")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name in KUSTOMIZATIONS:
        assert {item["metadata"]["namespace"] for item in render(HERE / name)} == {namespace["metadata"]["name"]}
