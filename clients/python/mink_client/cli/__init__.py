"""The command `mink`. It speaks gRPC to a server; commands that need more come from other distributions (see `plugins`)."""

import sys


def main() -> int:
    """Runs the command line, and returns its exit code: 0, 1 for a failure, 2 for a wrong call, 130 for Ctrl-C."""
    try:
        import rich  # noqa: F401, PLC0415 - the extra may be missing
        import typer  # noqa: F401, PLC0415
    except ImportError:
        sys.stderr.write("mink: the command line is not installed; run: pip install 'mink-client[cli]'\n")
        return 1
    from mink_client.cli.app import run  # noqa: PLC0415 - needs the extra

    return run(sys.argv[1:])
