"""Projections: what a user writes, and applying events to a read model. See `Projection`."""

from mink_client.projection_status import RebuildMode
from mink_client.projections.definition import Definition, DefinitionError, Projection, handles, handles_batch
from mink_client.projections.lease import Lease, current_lease
from mink_client.projections.loading import load
from mink_client.projections.policies import OnPoison, RestartPolicy, RetryPolicy, Transient
from mink_client.projections.targets.outside import NoTransaction
from mink_client.projections.targets.postgres import Postgres
from mink_client.projections.targets.sqlite import SQLite

__all__ = [
    "Definition",
    "DefinitionError",
    "Lease",
    "NoTransaction",
    "OnPoison",
    "Postgres",
    "Projection",
    "RebuildMode",
    "RestartPolicy",
    "RetryPolicy",
    "SQLite",
    "Transient",
    "current_lease",
    "handles",
    "handles_batch",
    "load",
]
