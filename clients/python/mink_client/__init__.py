"""Client of Mink, an event store over gRPC."""
