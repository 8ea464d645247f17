"""Each alert fires when it should and is quiet when it should, as promtool computes it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from mink.v1 import errors_pb2

from tests.deploy.tools import DEPLOY, ROOT, RULES, document, tool

if TYPE_CHECKING:
    from pathlib import Path

RULE_OF = {rule["alert"]: rule for group in document(RULES)["groups"] for rule in group["rules"]}
AT = '{job="mink",instance="a:9090"}'
DAY = 86400
GIB = 1024**3


@dataclass(frozen=True)
class Case:
    """Series, one value a minute, and what they must lead to.

    Args:
        alert: Its name.
        fires: Series with which it fires.
        quiet: Series with which it does not, and nearly does.
        summary: The summary as a person reads it.
        labels: Labels of the firing alert; those of the rule come on top.
        at: When to look, in minutes.
    """

    alert: str
    fires: dict[str, str]
    quiet: dict[str, str]
    summary: str
    labels: str = "job=mink instance=a:9090"
    at: int = 60


def outcomes(**rates: int) -> dict[str, str]:
    """mink_appends_total with so many appends a minute of each outcome."""
    return {f'mink_appends_total{{job="mink",instance="a:9090",outcome="{name}"}}': f"0+{rate}x300" for name, rate in rates.items()}


CASES = [
    Case(
        "MinkDown",
        {f"up{AT}": "1x50 0x20"},
        {f"up{AT}": "1x59 0"},
        "Mink does not answer at a:9090",
    ),
    Case(
        "MinkDown", {'up{job="prometheus"}': "1x90"}, {f"up{AT}": "1x90"}, "Mink does not answer at any address", labels="job=mink"
    ),
    Case(
        "MinkRestarts",
        {f"process_start_time_seconds{AT}": "1x45 2x2 3x2 4x2 5x90"},
        {f"process_start_time_seconds{AT}": "1x45 2x2 3x2 4x90"},
        "Mink at a:9090 started 4 times in half an hour",
    ),
    Case(
        "MinkInternalErrors",
        {'grpc_server_handled_total{job="mink",instance="a:9090",grpc_service="S",grpc_method="M",grpc_code="Internal"}': "0+6x90"},
        {'grpc_server_handled_total{job="mink",instance="a:9090",grpc_service="S",grpc_method="M",grpc_code="NotFound"}': "0+6x90"},
        "S/M fails inside Mink at a:9090",
        labels="job=mink instance=a:9090 grpc_service=S grpc_method=M",
    ),
    Case(
        "MinkFileDescriptors",
        {f"process_open_fds{AT}": "900x90", f"process_max_fds{AT}": "1000x90"},
        {f"process_open_fds{AT}": "700x90", f"process_max_fds{AT}": "1000x90"},
        "Mink at a:9090 uses 90% of its file descriptors",
    ),
    Case(
        "MinkMemoryFull",
        {f"mink_memory_full{AT}": "0x50 1x50"},
        {f"mink_memory_full{AT}": "0x59 1x50"},
        "Mink at a:9090 refuses calls because its memory is nearly used up",
    ),
    Case(
        "MinkCallsRefused",
        {'mink_errors_total{job="mink",instance="a:9090",reason="UNAUTHENTICATED"}': "0+120x90"},
        {'mink_errors_total{job="mink",instance="a:9090",reason="UNAUTHENTICATED"}': "0+30x90"},
        "Mink at a:9090 refuses 2 calls a second as UNAUTHENTICATED",
        labels="job=mink instance=a:9090 reason=UNAUTHENTICATED",
    ),
    Case(
        "MinkReloadFailed",
        {'mink_reloads_total{job="mink",instance="a:9090",file="tokens",outcome="failed"}': "0x50 1x50"},
        {
            'mink_reloads_total{job="mink",instance="a:9090",file="tokens",outcome="failed"}': "0x10 1x90",
            'mink_reloads_total{job="mink",instance="a:9090",file="tokens",outcome="ok"}': "0+1x90",
        },
        "Mink at a:9090 could not reload its tokens",
        labels="job=mink instance=a:9090 file=tokens outcome=failed",
    ),
    Case(
        "MinkReloadFailed",
        {'mink_reloads_total{job="mink",instance="a:9090",file="certificate",outcome="failed"}': "_x50 1x50"},
        {'mink_reloads_total{job="mink",instance="a:9090",file="certificate",outcome="failed"}': "0x90"},
        "Mink at a:9090 could not reload its certificate",
        labels="job=mink instance=a:9090 file=certificate outcome=failed",
    ),
    Case(
        "MinkCertificateExpires",
        {f"mink_tls_certificate_expiry_timestamp_seconds{AT}": f"{10 * DAY + 7200}x150"},
        {f"mink_tls_certificate_expiry_timestamp_seconds{AT}": f"{15 * DAY}x150"},
        "The certificate of Mink at a:9090 expires in 10d 0h 0m 0s",
        at=120,
    ),
    Case(
        "MinkCertificateExpiresSoon",
        {f"mink_tls_certificate_expiry_timestamp_seconds{AT}": f"{1 * DAY + 3600}x90"},
        {
            f"mink_tls_certificate_expiry_timestamp_seconds{AT}": f"{3 * DAY}x90",
            'mink_tls_certificate_expiry_timestamp_seconds{job="mink",instance="without-tls:9090"}': "0x90",
        },
        "The certificate of Mink at a:9090 expires in 1d 0h 0m 0s",
    ),
    Case(
        "MinkAppendErrors",
        outcomes(appended=90, DATABASE_UNAVAILABLE=10),
        outcomes(appended=60, WRONG_EXPECTED_VERSION=30, INVALID_REQUEST=10, DATABASE_UNAVAILABLE=4),
        "10% of all appends fail",
        labels="job=mink",
    ),
    Case(
        "MinkAppendLatency",
        {
            'mink_append_duration_seconds_bucket{job="mink",instance="a:9090",le="0.5"}': "0+90x90",
            'mink_append_duration_seconds_bucket{job="mink",instance="a:9090",le="1"}': "0+90x90",
            'mink_append_duration_seconds_bucket{job="mink",instance="a:9090",le="2"}': "0+100x90",
            'mink_append_duration_seconds_bucket{job="mink",instance="a:9090",le="+Inf"}': "0+100x90",
        },
        {
            'mink_append_duration_seconds_bucket{job="mink",instance="a:9090",le="0.5"}': "0+100x90",
            'mink_append_duration_seconds_bucket{job="mink",instance="a:9090",le="+Inf"}': "0+100x90",
        },
        "One append in a hundred takes longer than 1.9s",
        labels="job=mink",
    ),
    Case(
        "MinkOverloaded",
        {'mink_errors_total{job="mink",instance="a:9090",reason="OVERLOADED"}': "0+120x90"},
        {'mink_errors_total{job="mink",instance="a:9090",reason="STREAM_NOT_FOUND"}': "0+120x90"},
        "Mink at a:9090 turns away 2 calls a second",
    ),
    Case(
        "MinkConflicts",
        outcomes(appended=300, WRONG_EXPECTED_VERSION=100),
        outcomes(appended=30, WRONG_EXPECTED_VERSION=30),
        "25% of all appends find their stream changed",
        labels="job=mink",
    ),
    Case(
        "MinkSubscriberLag",
        {f"mink_subscriber_lag_events{AT}": "25000x90"},
        {f"mink_subscriber_lag_events{AT}": "25000x55 0 25000x90"},
        "A subscriber at a:9090 is 25k events behind",
    ),
    Case(
        "MinkSubscribersFellBehind",
        {f"mink_subscribers_fell_behind_total{AT}": "0+1x90"},
        {f"mink_subscribers_fell_behind_total{AT}": "0x30 10x60"},
        "Subscribers at a:9090 fell behind 30 times in half an hour",
    ),
    Case(
        "MinkServerBehind",
        {f"mink_head_position{AT}": "5000x90", 'mink_head_position{job="mink",instance="b:9090"}': "9000x90"},
        {f"mink_head_position{AT}": "8500x90", 'mink_head_position{job="mink",instance="b:9090"}': "9000x90"},
        "Mink at a:9090 does not see the newest 4k events",
    ),
    Case(
        "MinkProjectionLag",
        {'mink_projection_lag_seconds{job="mink",instance="a:9090",projection="Orders"}': "600x90"},
        {'mink_projection_lag_seconds{job="mink",instance="a:9090",projection="Orders"}': "200x90"},
        "The projection Orders is 10m 0s behind",
        labels="job=mink projection=Orders",
    ),
    Case(
        "MinkProjectionFaulted",
        {'mink_projection_state{job="mink",instance="a:9090",projection="Orders",state="faulted"}': "1x90"},
        {
            'mink_projection_state{job="mink",instance="a:9090",projection="Orders",state="faulted"}': "0x90",
            'mink_projection_state{job="mink",instance="a:9090",projection="Orders",state="running"}': "1x90",
        },
        "The projection Orders has stopped at an event that it cannot handle",
        labels="job=mink projection=Orders",
    ),
    Case(
        "MinkProjectionStopped",
        {'mink_projection_state{job="mink",instance="a:9090",projection="Orders",state="stopped"}': "1x90"},
        {'mink_projection_state{job="mink",instance="a:9090",projection="Orders",state="stopped"}': "1x53 0 1x90"},
        "No worker runs the projection Orders",
        labels="job=mink projection=Orders",
    ),
    Case(
        "MinkProjectionParked",
        {
            'mink_projection_parked_events{job="mink",instance="a:9090",projection="Orders"}': "3x90",
            'mink_projection_parked_events{job="mink",instance="b:9090",projection="Orders"}': "3x90",
        },
        {'mink_projection_parked_events{job="mink",instance="a:9090",projection="Orders"}': "3x50 0x40"},
        "The projection Orders has set 3 event(s) aside",
        labels="job=mink projection=Orders",
    ),
    Case(
        "MinkDatabaseDown",
        {f"mink_database_up{AT}": "1x50 0x50"},
        {f"mink_database_up{AT}": "1x90"},
        "Mink at a:9090 has no database",
    ),
    Case(
        "MinkDatabaseReconnects",
        {'mink_database_reconnects_total{job="mink",instance="a:9090",user="writer"}': "0+1x90"},
        {'mink_database_reconnects_total{job="mink",instance="a:9090",user="writer"}': "0x50 3x50"},
        "Mink at a:9090 lost its connections 15 times in a quarter of an hour",
    ),
    Case(
        "MinkPoolExhausted",
        {f"mink_pool_waiting{AT}": "3x90"},
        {f"mink_pool_waiting{AT}": "3x57 0 3x90"},
        "Readers of Mink at a:9090 wait for a connection",
    ),
    Case(
        "MinkLogGrowth",
        {
            f"mink_log_size_bytes{AT}": f"{20 * GIB}+{GIB // 64}x900",
            'mink_log_size_bytes{job="mink",instance="b:9090"}': f"{20 * GIB}x900",
        },
        {f"mink_log_size_bytes{AT}": f"{GIB}+{GIB // 640}x900"},
        "At its present rate the log doubles within a week, to 190GiB",
        labels="job=mink",
        at=800,
    ),
    Case(
        "MinkDatabaseDiskFillsUp",
        {
            'node_filesystem_avail_bytes{job="postgres-node",instance="db:9100",mountpoint="/data"}': "3000-2x600",
            'node_filesystem_size_bytes{job="postgres-node",instance="db:9100",mountpoint="/data"}': "10000x600",
        },
        {
            'node_filesystem_avail_bytes{job="postgres-node",instance="db:9100",mountpoint="/data"}': "9000-2x600",
            'node_filesystem_size_bytes{job="postgres-node",instance="db:9100",mountpoint="/data"}': "10000x600",
        },
        "/data at db:9100 is full within two days",
        labels="job=postgres-node instance=db:9100 mountpoint=/data",
        at=500,
    ),
]
NAMES = [f"{case.alert}-{number}" for number, case in enumerate(CASES)]


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = tool("promtool", "Debian's package prometheus")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)


def judge(folder: Path, case: Case, series: dict[str, str], expected: list[dict[str, Any]]) -> None:
    """Lets promtool say whether the alert is as expected."""
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [{"eval_time": f"{case.at}m", "alertname": case.alert, "exp_alerts": expected}],
            }
        ],
    }
    file = folder / "case.yml"
    file.write_text(yaml.safe_dump(test))
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_an_alert_fires(case: Case, tmp_path: Path) -> None:
    rule = RULE_OF[case.alert]
    labels = dict(pair.split("=") for pair in case.labels.split())
    annotations = {
        name: re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)
        for name, text in rule["annotations"].items()
    } | {"summary": case.summary}
    judge(tmp_path, case, case.fires, [{"exp_labels": labels | rule["labels"], "exp_annotations": annotations}])


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_an_alert_is_quiet(case: Case, tmp_path: Path) -> None:
    judge(tmp_path, case, case.quiet, [])


def test_every_alert_has_a_case() -> None:
    assert {case.alert for case in CASES} == set(RULE_OF)


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for name, rule in RULE_OF.items():
        assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"}), name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, name
        assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}"


def test_reasons_in_rules_are_reasons_that_there_are() -> None:
    known = {"appended", "replayed", *errors_pb2.ErrorReason.DESCRIPTOR.values_by_name}
    for name, rule in RULE_OF.items():
        for values in re.findall(r'\b(?:mink_appends_total\{outcome|mink_errors_total\{reason)=~?"([^"]+)"', rule["expr"]):
            assert set(values.split("|")) <= known, name


def test_every_alert_has_a_section_in_the_operators_page() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    (alerts,) = re.findall(r"^## Alerts$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"^### (Mink\w+)$", alerts, re.MULTILINE)) == set(RULE_OF)


def test_prometheus_takes_its_configuration() -> None:
    done = promtool("check", "config", DEPLOY / "prometheus/prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    done = promtool("check", "rules", RULES)
    assert done.returncode == 0, done.stdout + done.stderr
