"""From when on a finding of `diagnose` is a warning or a failure; `docs/diagnose.md` says the same in a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on a finding is a warning, or a failure; times in seconds, sizes in bytes.

    Attributes:
        clock: Difference of the clocks.
        flush: Median time of a commit: a warning.
        slow_flush: The same: a failure.
        tail: Time that this server's tail may be behind; at most 2.
        replay_lag: Time that a standby may be behind.
        transaction: Age of a transaction, open or prepared.
        slot: Write-ahead log that an unused slot may keep.
        connections: Share of the connections that may be in use.
        dead_rows: Dead rows that a table may have.
        dead_share: Share of a table's rows that may be dead.
        xid_age: Age of the oldest transaction id, in transactions: a warning.
        xid_age_failed: The same: a failure.
        disk_share: Share of the disk that must be free: else a warning.
        disk_share_failed: The same: else a failure.
        disk_room: Bytes that must be free: else a failure. Without 16 MiB at once for its write-ahead log, Postgres stops.
    """

    clock: float = 1.0
    flush: float = 0.010
    slow_flush: float = 0.5
    tail: float = 2.0
    replay_lag: float = 10.0
    transaction: float = 600.0
    slot: int = 256_000_000
    connections: float = 0.9
    dead_rows: int = 100_000
    dead_share: float = 0.2
    xid_age: int = 1_000_000_000
    xid_age_failed: int = 1_800_000_000
    disk_share: float = 0.1
    disk_share_failed: float = 0.02
    disk_room: int = 64_000_000


_T: Final = Thresholds()
_DEAD: Final = f"a table has more than {_T.dead_rows:,} dead rows, {_T.dead_share:.0%} of all"

# Name, what is a warning, what is a failure.
CHECKS: Final[tuple[tuple[str, str, str], ...]] = (
    ("connection", "", "no connection; Postgres before 14; a standby, or set read-only"),
    ("schema", "", "migrations are pending, or it is newer than the server"),
    ("indexes", "an index is invalid", "a constraint that keeps numbers, ids or names apart is missing"),
    ("tail", f"this server does not hear of appends for {_T.tail:g} s", "the log ends before what this server has seen"),
    ("clock", f"differs by more than {_T.clock:g} s", ""),
    ("durability", "", "fsync, full_page_writes or synchronous_commit is off, or local where there are synchronous standbys"),
    ("flush", f"a commit takes more than {_T.flush * 1000:g} ms", f"more than {_T.slow_flush * 1000:g} ms, or it hangs"),
    (
        "replication",
        f"a standby is more than {_T.replay_lag:g} s behind; archiving fails",
        "fewer synchronous standbys follow than a commit waits for",
    ),
    ("slots", f"an unused slot keeps more than {_T.slot // 1_000_000} MB of write-ahead log, or lost what it kept", ""),
    ("transactions", f"one is open or prepared for more than {_T.transaction / 60:g} min", ""),
    ("connections", f"more than {_T.connections:.0%} are in use", ""),
    (
        "vacuum",
        f"autovacuum is off; {_DEAD}; the oldest transaction id is {_T.xid_age:,} old",
        f"the oldest transaction id is {_T.xid_age_failed:,} old",
    ),
    ("size", "", ""),
    (
        "disk",
        f"less than {_T.disk_share:.0%} is free",
        f"less than {_T.disk_share_failed:.0%} or {_T.disk_room // 1_000_000} MB is free",
    ),
)
