"""Every setting, its default, its check. Each one is an environment variable."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mink_server.core.paths import HOLDS_CONTENT, is_content


class SettingsError(Exception):
    """A setting is wrong; the text is one line that names it."""


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be HOST:PORT, for example 127.0.0.1:50051")
    return value


Address = Annotated[str, AfterValidator(_address)]


def _schema(value: str) -> str:
    # The name is put into SQL text as it is, and into the name of a NOTIFY channel, which has at most 63 bytes.
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,49}", value) or value.startswith("pg_"):
        raise ValueError("must be lower-case letters, digits and _, at most 50, and not pg_…")
    return value


def _not_empty(value: Any) -> Any:
    if isinstance(value, str) and not value:
        raise ValueError("is empty: give it a value, or do not set it")
    return value


NotEmpty = BeforeValidator(_not_empty)


def _path(value: Path | None) -> Path | None:
    if value is not None and is_content(str(value)):
        raise ValueError(HOLDS_CONTENT)
    return value


# A file with a secret, or beside one: what stands there by mistake is never shown.
SecurityFile = Annotated[Path | None, NotEmpty, AfterValidator(_path)]


def _setting(default: Any, name: str, description: str, **bounds: Any) -> Any:
    return Field(default=default, validation_alias=name, description=description, **bounds)


class Settings(BaseSettings):
    """What an operator can set."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    listen: Address = _setting("127.0.0.1:50051", "MINK_LISTEN", "Where gRPC is served; port 0: a free one.")
    http_listen: Address = _setting("127.0.0.1:8080", "MINK_HTTP_LISTEN", "Where /health/live and /health/ready are served.")
    metrics_listen: Address = _setting("127.0.0.1:9090", "MINK_METRICS_LISTEN", "Where Prometheus finds /metrics.")
    insecure: bool = _setting(
        False, "MINK_INSECURE", "Serve other addresses than loopback although TLS, or tokens and client certificates, are not set."
    )

    tls_cert_file: SecurityFile = _setting(
        None, "MINK_TLS_CERT_FILE", "The server's certificate chain, PEM; with its key, gRPC is served over TLS."
    )
    tls_key_file: SecurityFile = _setting(None, "MINK_TLS_KEY_FILE", "The certificate's private key, PEM.")
    tls_client_ca_file: SecurityFile = _setting(
        None, "MINK_TLS_CLIENT_CA_FILE", "Who signs clients' certificates, PEM; set: every client must have one."
    )
    tokens_file: SecurityFile = _setting(
        None, "MINK_TOKENS_FILE", "Who may do what, as `mink token` writes it; set: every call must say who it is."
    )

    database_url: Annotated[SecretStr | None, NotEmpty] = _setting(
        None, "DATABASE_URL", "Postgres, as postgresql://…; not set: an embedded Postgres 18."
    )
    database_schema: Annotated[str, AfterValidator(_schema)] = _setting("mink", "DATABASE_SCHEMA", "The schema that holds the log.")
    migrate: bool = _setting(False, "MINK_MIGRATE", "Apply pending migrations at the start (the embedded database always does).")
    database_pool: int = _setting(
        8,
        "MINK_DATABASE_POOL",
        "Connections for reading, at most; one more is for writing and listening, and one for leases of projections.",
        ge=1,
        le=500,
    )
    database_timeout: float = _setting(
        8.0, "MINK_DATABASE_TIMEOUT", "Seconds that a call waits while the database is away.", gt=0, le=300
    )
    database_statement_cache: int = _setting(
        100,
        "MINK_DATABASE_STATEMENT_CACHE",
        "Prepared statements kept per connection; 0 behind a pgbouncer older than 1.21.",
        ge=0,
        le=10_000,
    )
    data_dir: Annotated[Path | None, NotEmpty] = _setting(
        None, "MINK_DATA_DIR", "Where the embedded Postgres keeps its data; not set: .mink in this folder."
    )

    max_event_bytes: int = _setting(
        1_048_576, "MINK_MAX_EVENT_BYTES", "Bytes of one event (payload, metadata, type), at most.", ge=1024, le=67_108_864
    )
    max_request_bytes: int = _setting(
        4_194_304, "MINK_MAX_REQUEST_BYTES", "Bytes of all events of one append, at most.", ge=1024, le=268_435_456
    )
    max_events_per_append: int = _setting(10_000, "MINK_MAX_EVENTS_PER_APPEND", "Events of one append, at most.", ge=1, le=100_000)
    max_waiting_appends: int = _setting(
        20_000, "MINK_MAX_WAITING_APPENDS", "Appends that wait; more are OVERLOADED.", ge=1, le=1_000_000
    )
    max_waiting_bytes: int = _setting(
        67_108_864, "MINK_MAX_WAITING_BYTES", "Bytes of appends that wait; more are OVERLOADED.", ge=1024, le=4_294_967_296
    )
    max_subscriptions: int = _setting(
        5_000, "MINK_MAX_SUBSCRIPTIONS", "Subscriptions at once; more are OVERLOADED.", ge=1, le=1_000_000
    )
    max_subscriptions_per_client: int = _setting(
        1_000,
        "MINK_MAX_SUBSCRIPTIONS_PER_CLIENT",
        "Subscriptions of one client (its identity, or its address) at once.",
        ge=1,
        le=1_000_000,
    )
    max_calls: int = _setting(8_000, "MINK_MAX_CALLS", "Calls that are served at once; more are OVERLOADED.", ge=1, le=1_000_000)
    max_request_bytes_in_flight: int = _setting(
        67_108_864,
        "MINK_MAX_REQUEST_BYTES_IN_FLIGHT",
        "Bytes of requests that are served at once; more are OVERLOADED.",
        ge=1024,
        le=17_179_869_184,
    )
    max_response_bytes_in_flight: int = _setting(
        134_217_728,
        "MINK_MAX_RESPONSE_BYTES_IN_FLIGHT",
        "Bytes held for responses that clients have not taken; more are OVERLOADED.",
        ge=1024,
        le=17_179_869_184,
    )
    max_memory_bytes: int = _setting(
        0,
        "MINK_MAX_MEMORY_BYTES",
        "Memory that the server may have; near it, calls are OVERLOADED; 0: what the container allows.",
        ge=0,
        le=1_099_511_627_776,
    )
    max_connections: int = _setting(
        4_000, "MINK_MAX_CONNECTIONS", "Connections of clients; more are turned away.", ge=1, le=1_000_000
    )
    max_connection_age: float = _setting(
        3600.0,
        "MINK_MAX_CONNECTION_AGE",
        "Seconds after which a connection, and a session or subscription, is asked to begin anew; 0: never.",
        ge=0,
        le=604_800,
    )
    tail_bytes: int = _setting(
        33_554_432, "MINK_TAIL_BYTES", "Bytes of the newest events kept in memory for subscribers.", ge=0, le=4_294_967_296
    )
    checkpoint_seconds: float = _setting(
        3.0, "MINK_CHECKPOINT_SECONDS", "Seconds between the checkpoints of a subscription, at most.", gt=0, le=60
    )
    projection_lease: float = _setting(
        5.0, "MINK_PROJECTION_LEASE", "Seconds after which a worker that is not heard of loses its partitions.", ge=1, le=60
    )
    drain_seconds: float = _setting(10.0, "MINK_DRAIN_SECONDS", "Seconds that calls in flight have after SIGTERM.", ge=0, le=600)

    faulted_not_ready: bool = _setting(
        False, "MINK_FAULTED_NOT_READY", "Let /health/ready answer 503 while a projection is faulted; it names it in either case."
    )

    reflection: bool = _setting(True, "MINK_REFLECTION", "Serve gRPC reflection, which grpcurl needs.")
    channelz: bool = _setting(False, "MINK_CHANNELZ", "Serve channelz.")
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "MINK_LOG_LEVEL", "The least severe log line that is written."
    )
    log_format: Literal["auto", "console", "json"] = _setting("auto", "MINK_LOG_FORMAT", "auto: console on a terminal, else json.")
    access_log: bool = _setting(False, "MINK_ACCESS_LOG", "Write a log line for every call.")
    metric_event_types: int = _setting(
        100, "MINK_METRIC_EVENT_TYPES", "Event types that have a metric of their own; the rest is other.", ge=0, le=10_000
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_request_bytes < self.max_event_bytes:
            raise ValueError("MINK_MAX_REQUEST_BYTES: must not be less than MINK_MAX_EVENT_BYTES")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            missing = "MINK_TLS_KEY_FILE" if self.tls_key_file is None else "MINK_TLS_CERT_FILE"
            raise ValueError(f"{missing}: must be set too: a certificate goes with its key")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("MINK_TLS_CERT_FILE: must be set too: client certificates need TLS (MINK_TLS_CLIENT_CA_FILE is set)")
        if not self.insecure and not self.secured:
            for name, address in (
                ("MINK_LISTEN", self.listen),
                ("MINK_HTTP_LISTEN", self.http_listen),
                ("MINK_METRICS_LISTEN", self.metrics_listen),
            ):
                if not is_loopback(address):
                    raise ValueError(
                        f"{name}: {address} can be reached from other machines; use 127.0.0.1, or set MINK_TLS_CERT_FILE and "
                        "MINK_TLS_KEY_FILE with MINK_TOKENS_FILE or MINK_TLS_CLIENT_CA_FILE, or say --insecure (MINK_INSECURE=true)"
                    )
        if self.insecure and self.tokens_file is None and os.environ.get("MINK_TOKEN_FILE") and not is_loopback(self.listen):
            raise ValueError(
                f"MINK_TOKEN_FILE: is for clients, and does not guard {self.listen} (MINK_LISTEN); set MINK_TOKENS_FILE instead"
            )
        return self

    @property
    def secured(self) -> bool:
        """Whether nobody can listen to gRPC, and everybody who calls is known."""
        return self.tls_cert_file is not None and (self.tokens_file is not None or self.tls_client_ca_file is not None)


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches HOST:PORT."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load(**flags: Any) -> Settings:
    """The settings from the environment; flags (by field name) come first.

    Raises:
        SettingsError: One is wrong.
    """
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    unknown = sorted(name for name in os.environ if name.startswith("MINK_") and name not in known and not _OTHERS.match(name))
    if unknown:
        raise SettingsError(f"{unknown[0]}: there is no such setting; see `mink serve --help`")
    aliases = {name: str(field.validation_alias) for name, field in Settings.model_fields.items()}
    try:
        return Settings(**{aliases[name]: value for name, value in flags.items()})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{where}: {message}" if where else message) from None


def for_clients(settings: Settings) -> list[str]:
    """Lines for whoever starts a server, about variables that clients read where the server has no setting of that kind."""
    return [
        f"{name} is for clients, and does nothing here; a server has {server}."
        for name, (server, field) in _CLIENTS.items()
        if os.environ.get(name) and getattr(settings, field) is None
    ]


_CLIENTS = {
    "MINK_TOKEN": ("MINK_TOKENS_FILE", "tokens_file"),
    "MINK_TOKEN_FILE": ("MINK_TOKENS_FILE", "tokens_file"),
    "MINK_TLS": ("MINK_TLS_CERT_FILE and MINK_TLS_KEY_FILE", "tls_cert_file"),
    "MINK_CA_FILE": ("MINK_TLS_CERT_FILE, and MINK_TLS_CLIENT_CA_FILE for its clients' certificates", "tls_cert_file"),
    "MINK_CLIENT_CERT_FILE": ("MINK_TLS_CERT_FILE", "tls_cert_file"),
    "MINK_CLIENT_KEY_FILE": ("MINK_TLS_KEY_FILE", "tls_key_file"),
}

# Variables that begin with MINK_ and are not settings of the server: what clients read, and what Kubernetes puts into every
# container beside a Service that is named mink.
_OTHERS = re.compile(
    r"MINK_((SERVER|TOKEN|TOKEN_FILE|TLS|CA_FILE|CLIENT_CERT_FILE|CLIENT_KEY_FILE|WORKER_HTTP_LISTEN)$|SERVICE_|PORT)"
)
