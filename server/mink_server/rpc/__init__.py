"""gRPC: one file per service. Converts, checks, calls the core."""
