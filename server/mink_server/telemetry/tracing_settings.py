"""OpenTelemetry's environment variables, as far as traces go: where to, and whether the rest can be used.

OpenTelemetry itself forgives most mistakes, or fails with a trace back. Mink stops with a line that names the variable.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from mink_server.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SAMPLERS: Final = (
    "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
)  # fmt: skip
_PROTOCOLS: Final = ("grpc", "http/protobuf")


class Collector(NamedTuple):
    """Where traces go.

    Attributes:
        protocol: grpc or http/protobuf.
        url: With its scheme, and for http/protobuf with its path; without user and password.
        compression: none, gzip, or (http/protobuf only) deflate.
    """

    protocol: str
    url: str
    compression: str

    @property
    def plain(self) -> bool:
        """Whether it is reached without TLS."""
        return self.url.startswith("http://")


def collector(env: Mapping[str, str]) -> Collector | None:
    """Where traces go; None: nowhere.

    Args:
        env: The environment, without variables that are empty.

    Raises:
        SettingsError: A variable cannot be used; the text is one line that names it.
    """
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    exporter = env.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower()
    if exporter == "none":
        return None
    if exporter != "otlp":
        raise SettingsError("OTEL_TRACES_EXPORTER: must be otlp or none")
    name = _either(env, "ENDPOINT")
    if name is None:
        return None
    protocol = _chosen(env, _either(env, "PROTOCOL"), "grpc", _PROTOCOLS)
    url = _url(env, name, protocol)
    _check(env)
    algorithms = ("none", "gzip") if protocol == "grpc" else ("none", "gzip", "deflate")
    return Collector(protocol, url, _chosen(env, _either(env, "COMPRESSION"), "none", algorithms))


def _either(env: Mapping[str, str], what: str) -> str | None:
    """The variable that counts, of the one for traces and the one for everything; None if neither is there."""
    names = (f"OTEL_EXPORTER_OTLP_TRACES_{what}", f"OTEL_EXPORTER_OTLP_{what}")
    return next((name for name in names if name in env), None)


def _chosen(env: Mapping[str, str], name: str | None, default: str, choices: tuple[str, ...]) -> str:
    if name is None:
        return default
    value = env.get(name, default).strip().lower()
    if value not in choices:
        raise SettingsError(f"{name}: must be {', '.join(choices[:-1])} or {choices[-1]}")
    return value


def _url(env: Mapping[str, str], name: str, protocol: str) -> str:
    given = env[name].strip()
    if "://" not in given:
        # HOST:PORT, which has no TLS unless something asks for it.
        insecure = _either(env, "INSECURE")
        plain = _either(env, "CERTIFICATE") is None if insecure is None else env[insecure].strip().lower() != "false"
        given = f"{'http' if plain else 'https'}://{given}"
    wrong = SettingsError(f"{name}: must be like http://collector:4317, https://collector:4317 or collector:4317")
    try:
        parts = urlsplit(given)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not host or any(c.isspace() for c in given):
        raise wrong
    if parts.username is not None or parts.password is not None:
        raise SettingsError(f"{name}: must have no user and password; OTEL_EXPORTER_OTLP_HEADERS is for what a collector asks for")
    where = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{where}" + ("" if port is None else f":{port}")
    if protocol == "grpc":
        return url
    path = parts.path if "TRACES" in name else parts.path.rstrip("/") + "/v1/traces"
    return url + path + (f"?{parts.query}" if parts.query else "")


def _check(env: Mapping[str, str]) -> None:
    """Checks what OpenTelemetry reads by itself."""
    sampler = _chosen(env, "OTEL_TRACES_SAMPLER", "parentbased_always_on", _SAMPLERS)
    if sampler.endswith("traceidratio"):
        _number(env, "OTEL_TRACES_SAMPLER_ARG", float, "must be a number from 0 to 1", lambda value: 0 <= value <= 1)
    for propagator in env.get("OTEL_PROPAGATORS", "none").split(","):
        wanted = propagator.strip()
        if wanted.lower() != "none" and not entry_points(group="opentelemetry_propagator", name=wanted):
            raise SettingsError(f"OTEL_PROPAGATORS: {wanted[:50]!r} is not there; tracecontext, baggage and none are")
    for name in ("OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT"):
        _number(env, name, int, "must be a whole number, 1 or more", lambda value: value >= 1)
    if int(env.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)) > int(env.get("OTEL_BSP_MAX_QUEUE_SIZE", 2048)):
        raise SettingsError("OTEL_BSP_MAX_EXPORT_BATCH_SIZE: must not be more than OTEL_BSP_MAX_QUEUE_SIZE (2048 if it is not set)")
    for name in env:
        if name.startswith(("OTEL_SPAN_", "OTEL_ATTRIBUTE_", "OTEL_EVENT_ATTRIBUTE_", "OTEL_LINK_ATTRIBUTE_")):
            _number(env, name, int, "must be a whole number, 0 or more", lambda value: value >= 0)
    for prefix in ("OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"):
        _number(env, prefix + "TIMEOUT", float, "must be a number of seconds above 0", lambda value: 0 < value < float("inf"))
        for what in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"):
            _readable(env, prefix + what)


def _number(env: Mapping[str, str], name: str, kind: type[float], rule: str, good: Callable[[float], bool]) -> None:
    if name not in env:
        return
    try:
        fits = good(kind(env[name]))
    except ValueError:
        fits = False
    if not fits:
        raise SettingsError(f"{name}: {rule}")


def _readable(env: Mapping[str, str], name: str) -> None:
    if name not in env:
        return
    try:
        with Path(env[name]).open("rb"):
            pass
    except OSError as error:
        raise SettingsError(f"{name}: {env[name]} cannot be read: {error.strerror}") from None
