"""Postgres: writing, reading, following, and migrations."""
