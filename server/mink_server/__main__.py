"""`python -m mink_server`: the same as `mink serve`."""

import typer

from mink_server.cli.serve import serve

if __name__ == "__main__":
    typer.run(serve)
