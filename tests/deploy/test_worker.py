"""The example of workers in Kubernetes: valid, let in by Mink's network policy, and true of a real worker."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from kubernetes_validate import validate
from mink_client.cli.app import app

from tests.deploy.test_kubernetes import VERSIONS, objects, one
from tests.deploy.tools import DEPLOY, document

WORKER = document(DEPLOY / "kubernetes" / "worker.example.yaml")
POD: dict[str, Any] = WORKER["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]


def options() -> dict[str, Any]:
    """The options of `mink worker run`, by name."""
    group = typer.main.get_command(app)
    for word in CONTAINER["command"][1:3]:
        group = group.commands[word]  # type: ignore[attr-defined]
    return {parameter.name: parameter for parameter in group.params}


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_valid(version: str) -> None:
    validate(WORKER, version, strict=True)


def test_the_network_policy_lets_it_in() -> None:
    (clients, _prometheus) = one("base", "NetworkPolicy")["spec"]["ingress"]
    wanted = clients["from"][0]["podSelector"]["matchLabels"]
    assert wanted.items() <= POD["metadata"]["labels"].items()


def test_it_calls_a_service_that_is_there() -> None:
    environment = {variable["name"]: variable.get("value") for variable in CONTAINER["env"]}
    addresses = {
        f"dns:///{service['metadata']['name']}.{service['metadata']['namespace']}:{service['spec']['ports'][0]['port']}"
        for service in objects("base", "Service")
    }
    assert environment["MINK_SERVER"] in addresses


def test_its_port_is_the_one_that_it_listens_on() -> None:
    (port,) = CONTAINER["ports"]
    environment = {variable["name"]: variable.get("value") for variable in CONTAINER["env"]}
    assert options()["http_listen"].envvar == "MINK_WORKER_HTTP_LISTEN"
    assert environment["MINK_WORKER_HTTP_LISTEN"].rpartition(":")[2] == str(port["containerPort"])
    assert {CONTAINER[kind]["httpGet"]["port"] for kind in ("readinessProbe", "livenessProbe")} == {port["name"]}


def test_it_has_longer_to_leave_than_it_takes() -> None:
    assert POD["spec"]["terminationGracePeriodSeconds"] >= options()["drain_seconds"].default + 15 + 10


def test_its_files_are_mounted() -> None:
    mounts = {mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    files = [variable["value"] for variable in CONTAINER["env"] if variable["name"].endswith("_FILE")]
    assert {file.rpartition("/")[0] for file in files} == mounts
