"""Runs projections: `Worker` is what a program embeds, `mink worker run` is the same as a command."""

from mink_client.worker.status import FaultedPartition, RunnerStatus
from mink_client.worker.worker import Worker, worker_name

__all__ = ["FaultedPartition", "RunnerStatus", "Worker", "worker_name"]
