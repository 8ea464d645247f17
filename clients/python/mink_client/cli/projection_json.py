"""Projections as JSON for a program. The names are those of the proto; times are RFC 3339, spans are seconds."""

from datetime import timedelta
from typing import Any

from mink_client.cli.text import timestamp
from mink_client.projection_status import (
    Build,
    ParkedEvent,
    Partition,
    PartitionError,
    Projection,
    RebuildProgress,
    Worker,
)


def projection_json(found: Projection) -> dict[str, Any]:
    """How a projection is."""
    return {
        "name": found.name,
        "state": found.state.value,
        "checkpoint": found.checkpoint,
        "head": found.head,
        "lag_events": found.lag_events,
        "lag_seconds": _seconds(found.lag),
        "events_per_second": round(found.events_per_second, 3),
        "last_error": _error(found.last_error),
        "parked_events": found.parked_events,
        "created_at": timestamp(found.created_at),
        "updated_at": timestamp(found.updated_at),
        "live": _build(found.live),
        "next": _build(found.next) if found.next else None,
        "workers": [_worker(worker) for worker in found.workers],
        "waiting_for": found.waiting_for,
    }


def parked_json(event: ParkedEvent) -> dict[str, Any]:
    """An event that was set aside."""
    return {
        "position": event.position,
        "stream": event.stream,
        "version": event.version,
        "type": event.type,
        "event_id": event.event_id,
        "partition": event.partition,
        "message": event.message,
        "attempts": event.attempts,
        "parked_at": timestamp(event.parked_at),
        "replaying": event.replaying,
    }


def _build(build: Build) -> dict[str, Any]:
    chosen = build.filter
    return {
        "build": build.build,
        "revision": build.revision,
        "filter": None
        if chosen is None
        else {
            "streams": chosen.streams,
            "stream_prefixes": chosen.stream_prefixes,
            "categories": chosen.categories,
            "types": chosen.types,
        },
        "partitions": [_partition(partition) for partition in build.partitions],
        "rebuild": _rebuild(build.rebuild),
    }


def _rebuild(progress: RebuildProgress | None) -> dict[str, Any] | None:
    if progress is None:
        return None
    return {
        "mode": progress.mode.value,
        "step": progress.step,
        "from_position": progress.from_position,
        "position": progress.position,
        "to_position": progress.to_position,
        "started_at": timestamp(progress.started_at),
        "seconds_left": None if progress.time_left is None else _seconds(progress.time_left),
    }


def _partition(partition: Partition) -> dict[str, Any]:
    return {
        "partition": partition.partition,
        "state": partition.state.value,
        "checkpoint": partition.checkpoint,
        "lag_events": partition.lag_events,
        "events_per_second": round(partition.events_per_second, 3),
        "events": partition.events,
        "errors": partition.errors,
        "worker_id": partition.worker_id,
        "worker": partition.worker,
        "held_since": timestamp(partition.held_since),
        "last_error": _error(partition.last_error),
        "restarts_at": timestamp(partition.restarts_at),
        "updated_at": timestamp(partition.updated_at),
    }


def _error(error: PartitionError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {
        "position": error.position,
        "type": error.type,
        "stream": error.stream,
        "message": error.message,
        "attempts": error.attempts,
        "occurred_at": timestamp(error.occurred_at),
        "partition": error.partition,
    }


def _worker(worker: Worker) -> dict[str, Any]:
    return {
        "worker_id": worker.worker_id,
        "worker": worker.worker,
        "revision": worker.revision,
        "connected_at": timestamp(worker.connected_at),
        "seen_at": timestamp(worker.seen_at),
        "partitions": worker.partitions,
    }


def _seconds(span: timedelta) -> float:
    return round(span.total_seconds(), 3)
