"""The harness of the conformance suite: real servers with real Postgres, faults, and the judgement of what runners report."""
