"""deploy/compose: valid against the Compose specification, and consistent with what it starts."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.parse
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from mink_server import settings

from tests.deploy.security import make_files
from tests.deploy.tools import DEPLOY, ROOT, document, missing
from tests.support.servers import MinkProcess

if TYPE_CHECKING:
    from tests.support.databases import Postgres

HERE = DEPLOY / "compose"
FILES = [HERE / "compose.yaml", HERE / "compose.secure.yaml"]
BASE, SECURE = (document(path) for path in FILES)
SERVICES: dict[str, dict[str, Any]] = BASE["services"]
SETTINGS = {str(field.validation_alias) for field in settings.Settings.model_fields.values()}
# The tutorial's ports, on this machine and in the container.
PORTS = {
    "mink": {"50051:50051", "8080:8080", "9090:9090"},
    "prometheus": {"9091:9090"},
    "grafana": {"3000:3000"},
    "jaeger": {"16686:16686", "4317:4317"},
}
IMAGE = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_follows_the_compose_specification(path: Path) -> None:
    if find_spec("check_jsonschema") is None:
        missing("check-jsonschema (PyPI)")
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", path]
    done = subprocess.run(check, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_ports_are_those_of_the_tutorial() -> None:
    published = {
        name: {port.removeprefix("${PUBLISH_ON:-127.0.0.1}:").removeprefix("127.0.0.1:") for port in service["ports"]}
        for name, service in SERVICES.items()
        if "ports" in service
    }
    assert published == PORTS


def test_nothing_is_published_beyond_this_machine_unless_told() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            assert port.startswith(("127.0.0.1:", "${PUBLISH_ON:-127.0.0.1}:50051:") if name == "mink" else "127.0.0.1:")


def test_every_image_has_an_exact_version() -> None:
    version = re.findall(r'^version = "(.+)"$', (ROOT / "server/pyproject.toml").read_text(), re.MULTILINE)[0]
    for name, service in SERVICES.items():
        assert IMAGE.fullmatch(service["image"]), service["image"]
        assert ("build" in service) == (name in {"mink", "migrate"})
        if "build" in service:
            assert service["image"] == f"mink:{version}"
            assert (HERE / service["build"]["context"]).resolve() == ROOT


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_bounded_guarded_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    health = service["healthcheck"]
    if name == "migrate":
        assert health == {"disable": True}
    else:
        assert health["test"][0] == "CMD"
        assert {"interval", "timeout", "retries", "start_period"} <= set(health)


def test_mink_writes_nowhere_but_to_memory() -> None:
    assert SERVICES["mink"]["read_only"] is True
    assert "volumes" not in SERVICES["mink"]
    assert {mount.partition(":")[0] for mount in SERVICES["mink"]["tmpfs"]} == {"/tmp", "/var/lib/mink"}


def test_each_starts_when_what_it_needs_is_ready() -> None:
    needs = {
        name: {on: how["condition"] for on, how in service.get("depends_on", {}).items()} for name, service in SERVICES.items()
    }
    assert needs == {
        "postgres": {},
        "migrate": {"postgres": "service_healthy"},
        "mink": {"postgres": "service_healthy", "migrate": "service_completed_successfully"},
        # A collector that is away costs Mink nothing, and Prometheus is there to say that Mink is away.
        "jaeger": {},
        "prometheus": {},
        "grafana": {"prometheus": "service_healthy"},
    }


def test_passwords_must_be_given_and_stand_nowhere() -> None:
    text = FILES[0].read_text()
    variables = re.findall(r"\$\{([^}]+)\}", text + FILES[1].read_text())
    required = {variable for variable in variables if "PASSWORD" in variable}
    assert {variable.partition(":?")[0] for variable in required} == {"POSTGRES_PASSWORD", "GRAFANA_PASSWORD"}
    for variable in required:
        assert variable.partition(":?")[2] == "put a password into deploy/compose/.env, see .env.example"
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value)
    assert urllib.parse.urlsplit(SERVICES["mink"]["environment"]["DATABASE_URL"]).password is None
    example = (HERE / ".env.example").read_text()
    assert set(re.findall(r"^(\w+)=$", example, re.MULTILINE)) == {"POSTGRES_PASSWORD", "GRAFANA_PASSWORD"}
    assert "/.env" in (HERE / ".gitignore").read_text().split()


def test_the_database_is_reached_by_mink_alone() -> None:
    assert BASE["networks"]["database"] == {"internal": True}
    on_it = {name for name, service in SERVICES.items() if "database" in service["networks"]}
    assert on_it == {"postgres", "migrate", "mink"}
    assert SERVICES["postgres"]["networks"] == ["database"]


def test_every_mount_is_there() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, target, *mode = volume.split(":")
            if source.startswith("."):
                assert (HERE / source).resolve().is_dir(), (name, source)
                assert mode == ["ro"]
            else:
                assert source in BASE["volumes"]
                assert target.startswith("/")
    # 18 and later keep their data below this folder, in one of their version.
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]


def mounted(service: str, path: str) -> Path:
    """The file in the repository that a service sees at a path."""
    for volume in SERVICES[service]["volumes"]:
        source, target, *_ = volume.split(":")
        if path.startswith(target + "/"):
            return (HERE / source).resolve() / path.removeprefix(target + "/")
    raise AssertionError(f"{service} sees nothing at {path}")


def test_prometheus_and_grafana_find_their_files() -> None:
    (config,) = [part.partition("=")[2] for part in SERVICES["prometheus"]["command"] if part.startswith("--config.file=")]
    assert mounted("prometheus", config) == DEPLOY / "prometheus/prometheus.yml"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert mounted("grafana", home) == DEPLOY / "grafana/dashboards/mink.json"
    (provider,) = document(DEPLOY / "grafana/provisioning/dashboards/dashboards.yaml")["providers"]
    assert mounted("grafana", f"{provider['options']['path']}/mink.json") == DEPLOY / "grafana/dashboards/mink.json"


def test_services_find_each_other() -> None:
    """Every host:port that a file names is a service of that name that listens there, on a network that both are on."""
    listens = {"postgres": {5432}, "mink": {50051, 8080, 9090}, "prometheus": {9090}, "jaeger": {4317, 16686}}
    targets = [
        ("prometheus", target)
        for job in document(DEPLOY / "prometheus/prometheus.yml")["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    ]
    sources = document(DEPLOY / "grafana/provisioning/datasources/datasources.yaml")["datasources"]
    targets += [("grafana", source["url"].removeprefix("http://")) for source in sources]
    targets += [("mink", SERVICES["mink"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"].removeprefix("http://"))]
    targets += [("mink", urllib.parse.urlsplit(SERVICES["mink"]["environment"]["DATABASE_URL"]).netloc.rpartition("@")[2])]
    assert len(targets) == 6
    for caller, target in targets:
        host, _, port = target.partition(":")
        name = caller if host == "localhost" else host
        assert int(port) in listens[name]
        assert set(SERVICES[caller]["networks"]) & set(SERVICES[name]["networks"])


def environment(*layers: dict[str, Any]) -> dict[str, str]:
    """The environment of Mink, with the overlays that are given."""
    found: dict[str, str] = {}
    for layer in layers:
        found |= layer["services"]["mink"]["environment"]
    return found


@pytest.mark.parametrize("layers", [(BASE,), (BASE, SECURE)], ids=["base", "secure"])
def test_the_settings_are_settings_and_fit_together(layers: tuple[dict[str, Any], ...], monkeypatch: pytest.MonkeyPatch) -> None:
    given = environment(*layers)
    assert {name for name in given if not name.startswith("OTEL_")} <= SETTINGS | {"PGPASSWORD"}
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        assert isinstance(value, str), name
        monkeypatch.setenv(name, value)
    loaded = settings.load()
    assert loaded.insecure is (len(layers) == 1)
    if len(layers) > 1:
        (mount,) = SECURE["services"]["mink"]["volumes"]
        for file in (loaded.tls_cert_file, loaded.tls_key_file, loaded.tokens_file):
            assert str(file).startswith(mount["target"] + "/")
        assert mount["read_only"] is True


def test_a_server_starts_with_the_secured_settings(postgres: Postgres, tmp_path: Path) -> None:
    make_files(tmp_path)
    given = environment(BASE, SECURE)
    given = {name: value.replace("/etc/mink", str(tmp_path)) for name, value in given.items() if name.startswith("MINK_")}
    # Every address of the machine, as in the container, but on ports that nobody else has.
    given = {name: "0.0.0.0:0" if name.endswith("LISTEN") else value for name, value in given.items()}
    schema = postgres.new_schema()
    process = MinkProcess(DATABASE_URL=postgres.dsn, DATABASE_SCHEMA=schema, MINK_MIGRATE="true", **given)
    try:
        process.start()
        port = process.http_address.rpartition(":")[2]
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=10).status == 200
    finally:
        process.stop()
        postgres.drop(schema)


def test_mink_has_longer_to_stop_than_it_takes() -> None:
    assert SERVICES["mink"]["stop_grace_period"] == "30s"
    assert float(SERVICES["mink"]["environment"]["MINK_DRAIN_SECONDS"]) <= 20


def test_the_health_check_follows_the_server(server: MinkProcess) -> None:
    _, program, *arguments = SERVICES["mink"]["healthcheck"]["test"]
    assert program == "python"
    listens = SERVICES["mink"]["environment"]["MINK_HTTP_LISTEN"].rpartition(":")[2]
    assert f"127.0.0.1:{listens}" in arguments[1]

    def outcome(address: str) -> int:
        command = [sys.executable, arguments[0], arguments[1].replace(f"127.0.0.1:{listens}", address)]
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode

    assert outcome(server.http_address) == 0
    # Nobody answers with 200 there: it is the metrics' address.
    assert outcome(server.metrics_address) != 0


def test_the_migration_makes_a_database_that_the_server_takes(postgres: Postgres) -> None:
    database = {"DATABASE_URL": postgres.dsn, "DATABASE_SCHEMA": postgres.new_schema()}
    given = environment(BASE) | database
    given = {name: "127.0.0.1:0" if name.endswith("LISTEN") else value for name, value in given.items()}
    process = MinkProcess(**{name: value for name, value in given.items() if name.startswith(("MINK_", "DATABASE_"))})
    try:
        with pytest.raises(RuntimeError, match="migrate"):
            process.start()
        mink = Path(sys.executable).with_name("mink")
        done = subprocess.run(
            [mink, *SERVICES["migrate"]["command"]], env=database, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        process.start()
        assert urllib.request.urlopen(f"http://{process.http_address}/health/ready", timeout=10).status == 200
    finally:
        process.stop()
        postgres.drop(database["DATABASE_SCHEMA"])


def test_every_variable_in_deploy_that_looks_like_a_setting_is_one() -> None:
    for path in sorted(DEPLOY.rglob("*")):
        if path.is_file() and path.suffix in {".yaml", ".yml", ".json", ".example"}:
            assert set(re.findall(r"\b(?:MINK|DATABASE)_[A-Z_]+\b", path.read_text())) <= SETTINGS | REASONS | OF_WORKERS, path


# Reasons of errors look like it too.
REASONS = {"DATABASE_UNAVAILABLE"}
# What workers read: `mink worker run --help`, and that of every command, names them.
OF_WORKERS = {"MINK_SERVER", "MINK_CA_FILE", "MINK_TOKEN_FILE", "MINK_WORKER_HTTP_LISTEN"}


def test_every_yaml_file_is_yaml() -> None:
    for path in sorted((*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.yml"))):
        assert [part for part in yaml.safe_load_all(path.read_text()) if part], path
