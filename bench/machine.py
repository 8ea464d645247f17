"""The machine and its load, printed above the table: a figure without them says little."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import psycopg


def cpu_model() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def file_system(folder: Path) -> str:
    """The kind of file system that holds the folder; `tmpfs` would make every flush free."""
    at = folder.resolve()
    mounts = [part for part in psutil.disk_partitions(all=True) if at.is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown"


def fsync_latency(folder: Path, writes: int = 300) -> tuple[float, float]:
    """Milliseconds (p50, p99) that fdatasync takes after 8 KiB are added to a file in the folder."""
    taken = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(writes):
            file.write(b"x" * 8192)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - began) * 1e3)
    taken.sort()
    return taken[len(taken) // 2], taken[len(taken) * 99 // 100]


def package(name: str) -> str:
    """The version of an installed distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def commit() -> str:
    """The commit that is measured, with a mark if files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=20, check=False, env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    )
    return done.stdout.strip() or "unknown"


def describe(folder: Path, load_before: tuple[float, float, float], postgres: str) -> list[tuple[str, str]]:
    """Lines of what and value."""
    p50, p99 = fsync_latency(folder)
    return [
        ("date", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())),
        ("processor", f"{cpu_model()}, {os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB"),
        ("load average before", " ".join(f"{load:.2f}" for load in load_before)),
        ("system", f"{platform.system()} {platform.release().partition('-')[0]}, Python {platform.python_version()}"),
        ("disk", f"{file_system(folder)}, fdatasync of 8 KiB p50 {p50:.2f} ms, p99 {p99:.2f} ms"),
        ("Mink", f"{package('mink-server')} at {commit()}, grpcio {package('grpcio')}, asyncpg {package('asyncpg')}"),
        ("Postgres", f"{postgres}, stock settings but for 1 GB of WAL files, made beforehand (fsync on)"),
        ("UmaDB", package("umadb")),
        ("eventsourcing", f"{package('eventsourcing')}, psycopg {package('psycopg')} ({psycopg.pq.__impl__} implementation)"),
    ]
