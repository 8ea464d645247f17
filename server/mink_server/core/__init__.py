"""What Mink means: events, expectations, errors, filters, and the ports. Imports nothing of grpc, asyncpg or protobuf."""
