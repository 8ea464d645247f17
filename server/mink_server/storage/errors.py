"""Postgres's errors as the core's: one table, by SQLSTATE class."""

from __future__ import annotations

import socket
from typing import Final

import asyncpg
import structlog
from asyncpg.exceptions import TargetServerAttributeNotMatched

from mink_server.core.errors import DatabaseUnavailableError, MinkError

# All that asyncpg raises because of the database, the connection, or what it leads to.
DATABASE_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)

log = structlog.get_logger(__name__)

# SQLSTATE, or its first two characters -> what a caller is told. All of these pass, or are mended by an operator, and none
# says anything about the request. What is not here is a bug.
_UNAVAILABLE: Final = {
    "08": "the connection to the database was lost",
    "25006": "the database takes no writes (it is a standby)",
    "25P03": "the server stood still in the middle of a change",
    "28": "the database refuses the server's credentials",
    "3D000": "the database does not exist",
    "3F000": "the log's schema is not there",
    "42501": "the server lacks a privilege in the database",
    "42883": "the log's schema is older than the server",
    "42P01": "the log's schema is not there",
    "40": "the database gave up the transaction",
    "53100": "the database's disk is full",
    "53": "the database is out of resources",
    "55P03": "the log's lock was not free in time",
    "57014": "the database took too long",
    "57": "the database is stopping or starting",
    "58": "the database cannot read or write its files",
    "XX": "the database reports damaged data or an internal error",
}


def unavailable(error: BaseException) -> DatabaseUnavailableError | None:
    """The error to tell a caller if the database is what failed, else None."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        message = _UNAVAILABLE.get(state) or _UNAVAILABLE.get(state[:2])
        return DatabaseUnavailableError(message) if message else None
    if isinstance(error, TargetServerAttributeNotMatched):
        return DatabaseUnavailableError("the database takes no writes (it is a standby, or set read-only)")
    if isinstance(error, asyncpg.ClientConfigurationError | ValueError):
        return DatabaseUnavailableError(
            "DATABASE_URL cannot be used: it must be like postgresql://user:password@host:5432/database"
        )
    if isinstance(error, TimeoutError):
        return DatabaseUnavailableError("the database did not answer in time")
    if isinstance(error, DATABASE_ERRORS):
        return DatabaseUnavailableError(f"the database cannot be reached{_why(error)}")
    return None


def _why(error: BaseException) -> str:
    """What an operator looks at first. Names no host: clients read it too."""
    if isinstance(error, socket.gaierror):
        return ": the name of its host is not known"
    if isinstance(error, ConnectionRefusedError):
        return ": nobody listens at its address"
    if isinstance(error, FileNotFoundError):
        return ": its socket is not there"
    return ""


def translate(error: BaseException) -> MinkError:
    """The core's error for what the database raised; what is not known is logged, by its type and SQLSTATE, and INTERNAL."""
    if isinstance(error, MinkError):
        return error
    known = unavailable(error)
    if known is not None:
        return known
    log.error("unexpected database error", error_type=type(error).__name__, sqlstate=getattr(error, "sqlstate", None))
    return MinkError("the server failed in a way that it did not expect")
