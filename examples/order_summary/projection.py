"""The read model of a shop: one row for each order, with what it is worth and how far it is.

Run it with `mink worker run examples.order_summary.projection:OrderSummary`, in as many processes as you like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mink_client.projections import Postgres, Projection, handles

if TYPE_CHECKING:
    import asyncpg
    from mink_client import RecordedEvent


class OrderSummary(Projection):
    """Orders, by stream. Each handler runs in a transaction of the read model, in which the checkpoint is kept as well."""

    categories = ("Order",)
    revision = 1
    partitions = 2
    on_poison = "park"
    target = Postgres(env="READ_MODEL_URL", schema="order_summary")

    async def setup(self, tx: asyncpg.Connection) -> None:
        """Makes the table where it is not there yet. Names without a schema are in `order_summary`."""
        await tx.execute("""
            create table if not exists orders (
                stream text primary key,
                customer text not null,
                status text not null,
                items bigint not null default 0,
                cents bigint not null default 0,
                paid_cents bigint not null default 0,
                placed_at timestamptz not null,
                changed_at timestamptz not null
            )
        """)
        await tx.execute("create index if not exists orders_newest on orders (placed_at desc)")

    @handles("OrderPlaced")
    async def placed(self, event: RecordedEvent, tx: asyncpg.Connection) -> None:
        """A new order, still without items."""
        # Older events have fewer fields: a log keeps what was once written.
        customer = event.json().get("customer", "unknown")
        await tx.execute(
            "insert into orders (stream, customer, status, placed_at, changed_at) values ($1, $2, 'placed', $3, $3)",
            event.stream,
            customer,
            event.recorded_at,
        )

    @handles("ItemAdded")
    async def item_added(self, event: RecordedEvent, tx: asyncpg.Connection) -> None:
        """An order grows. To do this twice would show: the sum would be wrong."""
        item = event.json()
        done = await tx.execute(
            "update orders set items = items + $2, cents = cents + $2 * $3, changed_at = $4 where stream = $1",
            event.stream,
            item["qty"],
            item["cents"],
            event.recorded_at,
        )
        _must_be_there(done, event)

    @handles("OrderPaid")
    async def paid(self, event: RecordedEvent, tx: asyncpg.Connection) -> None:
        """Money has come."""
        done = await tx.execute(
            "update orders set status = 'paid', paid_cents = paid_cents + $2, changed_at = $3 where stream = $1",
            event.stream,
            event.json()["cents"],
            event.recorded_at,
        )
        _must_be_there(done, event)

    @handles("OrderShipped", "OrderCancelled")
    async def ended(self, event: RecordedEvent, tx: asyncpg.Connection) -> None:
        """Nothing more will happen to it."""
        done = await tx.execute(
            "update orders set status = $2, changed_at = $3 where stream = $1",
            event.stream,
            "shipped" if event.type == "OrderShipped" else "cancelled",
            event.recorded_at,
        )
        _must_be_there(done, event)


def _must_be_there(done: str, event: RecordedEvent) -> None:
    """What a handler raises concerns this one event: `on_poison` says what becomes of it, and the others go on."""
    if done == "UPDATE 0":
        raise LookupError(f"{event.type}: the order was never placed")
