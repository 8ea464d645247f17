"""Projections: events counted by type into Postgres, by a Mink worker and by the eventsourcing library's projection runner."""
