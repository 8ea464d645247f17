"""The Projections service: workers run under it, operators control it."""
