"""`mink projection status` as text: facts, then tables of partitions and workers."""

from mink_client.cli import output
from mink_client.cli import projection_text as text
from mink_client.cli.output import Column, Rows, facts
from mink_client.cli.text import moment
from mink_client.projection_status import Build, PartitionError, Projection, ProjectionState, Worker


def show_status(found: Projection) -> None:
    """Writes how a projection is."""
    pairs: list[tuple[str, object]] = [
        ("projection", found.name),
        ("status", found.state.value),
        ("position", f"{found.checkpoint} / {found.head}"),
        # A model that is rebuilt in place is about to go, or has begun anew: how far that is stands below.
        *((("", text.bar(found.checkpoint, found.head)),) if found.live.rebuild is None else ()),
        ("lag", text.lag(found)),
        ("rate", f"{text.rate(found.events_per_second)} events/s"),
        ("last update", moment(found.updated_at) or "none"),
        ("build", _build(found.live)),
        ("events", text.event_filter(found.live.filter)),
    ]
    if found.next is not None:
        pairs.append(("next build", _build(found.next)))
    if found.rebuild is not None:
        pairs.append(("rebuild", text.rebuild(found.rebuild)))
        # Nothing of nothing would be all of it.
        total = found.rebuild.total if found.rebuild.to_position else 1
        pairs.append(("", text.bar(found.rebuild.done if found.rebuild.to_position else 0, total)))
        if halted := text.halted(found):
            pairs.append(("rebuild waits", halted))
        pairs.append(("rebuild began", moment(found.rebuild.started_at) or "none"))
    parked = f": {text.hint('parked list', found.name)}" if found.parked_events else ""
    pairs.append(("parked", f"{text.count(found.parked_events, 'event')}{parked}"))
    if found.waiting_for:
        pairs.append(("waiting for", found.waiting_for))
    for name, error in _errors(found):
        pairs += [(name, text.error_place(error)), ("", error.message)]
    facts(*pairs)
    _show_partitions("Partitions", found.live)
    if found.next is not None:
        _show_partitions("Partitions of the next build", found.next)
    _show_workers(found.workers)


def _build(build: Build) -> str:
    return f"{build.build}, revision {build.revision}, {text.count(len(build.partitions), 'partition')}"


def _errors(found: Projection) -> list[tuple[str, PartitionError]]:
    """The last error, and those at which other partitions have stopped."""
    partitions = [*found.live.partitions, *(found.next.partitions if found.next else ())]
    stopped = (p.last_error for p in partitions if p.state is ProjectionState.FAULTED)
    others = [error for error in stopped if error is not None and error != found.last_error]
    last = [("last error", found.last_error)] if found.last_error else []
    return [*last, *(("another error", error) for error in others)]


def _show_partitions(title: str, build: Build) -> None:
    again = any(partition.restarts_at for partition in build.partitions)
    columns = [
        Column("PARTITION", right=True),
        Column("STATUS"),
        Column("POSITION", right=True),
        Column("LAG", right=True),
        Column("EVENTS", right=True),
        Column("ERRORS", right=True),
        Column("SINCE"),
        Column("WORKER"),
    ]
    if again:
        columns.insert(2, Column("AGAIN AT"))
    output.write(f"\n{title}")
    with Rows(*columns) as rows:
        for found in build.partitions:
            restarts = [moment(found.restarts_at)] if again else []
            worker = found.worker or found.worker_id or "none"
            counts = (found.checkpoint, found.lag_events, found.events, found.errors)
            rows.add(found.partition, found.state.value, *restarts, *counts, moment(found.held_since), worker)


def _show_workers(workers: tuple[Worker, ...]) -> None:
    if not workers:
        output.write(f"\nNo worker is connected; start one: {text.START_WORKER}")
        return
    output.write("\nWorkers")
    columns = [Column("PARTITIONS", right=True), Column("REVISION", right=True), Column("CONNECTED AT"), Column("LAST SEEN")]
    with Rows(*columns, Column("ID"), Column("WORKER")) as rows:
        for worker in workers:
            held = worker.partitions or "stands by"
            rows.add(held, worker.revision, moment(worker.connected_at), moment(worker.seen_at), worker.worker_id, worker.worker)
