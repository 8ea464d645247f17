"""Mink: an event store over gRPC, kept in Postgres."""
