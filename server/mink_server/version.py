"""The version of this server."""

from importlib.metadata import version

VERSION = version("mink-server")
