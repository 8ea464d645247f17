"""The console script `mink`: what must come before gRPC is loaded, which happens when `mink_client` is imported."""

import os


def main() -> int:
    """Runs the command line, and returns its exit code; see `mink_client.cli`."""
    # gRPC reads it when it is loaded. It would write lines of its own about what a line of ours says anyway.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from mink_client.cli import main as run  # noqa: PLC0415 - see above

        return run()
    except KeyboardInterrupt:  # while the rest was loaded: that takes a moment
        return 130
