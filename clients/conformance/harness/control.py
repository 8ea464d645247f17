"""What runners ask the harness for, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from clients.conformance.harness.fleet import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from clients.conformance.harness.cases import Case
    from clients.conformance.harness.fleet import Fleet, Station

_SERVER: Final = ("kill", "stop", "start", "restart", "freeze", "thaw")
_DATABASE: Final = ("stop", "start")


class Record:
    """What one runner has asked for.

    Attributes:
        cases: The cases that it may ask for, by file and name.
        asked: How often it asked, by path, for each case that it began.
        since: When it began the present case, or was started; `time.monotonic`.
    """

    def __init__(self, cases: list[Case]) -> None:
        self.cases = {(case.file, case.name): case for case in cases}
        self.asked: dict[tuple[str, str], Counter[str]] = {}
        self.since = time.monotonic()
        self.current: tuple[str, str] | None = None

    def begin(self, key: tuple[str, str]) -> None:
        """Notes that a case begins."""
        self.current, self.since = key, time.monotonic()
        self.asked[key] = Counter()

    def ask(self, path: str) -> None:
        """Notes a request of the present case."""
        if self.current is not None:
            self.asked[self.current][path] += 1


class Control:
    """The control server.

    Attributes:
        url: Where runners reach it.
        record: What the present runner has asked for.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.url = ""
        self.record = Record([])
        self._fleet = fleet
        self._station: Station | None = None
        paths = ("case", "server", "database", "fault", "seen")
        routes = [Route(f"/{path}", self._served, methods=["POST"]) for path in paths]
        config = uvicorn.Config(
            Starlette(routes=routes), log_config=None, log_level="error", access_log=False, lifespan="off", timeout_keep_alive=600
        )
        self._http = _Quiet(config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to serve."""
        bound = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        self._serving = asyncio.create_task(self._http.serve(sockets=[bound]))

    async def stop(self) -> None:
        """Ends, without waiting for requests that are under way."""
        self._http.should_exit = self._http.force_exit = True
        if self._serving is not None:
            await asyncio.gather(self._serving, return_exceptions=True)

    def new_runner(self, cases: list[Case]) -> Record:
        """Forgets the runner before."""
        self.record = Record(cases)
        self.record.current = None
        self._fleet.alone.expect(sum(case.server == "alone" for case in cases))
        return self.record

    async def _served(self, request: Request) -> JSONResponse:
        path = request.url.path.removeprefix("/")
        try:
            body = _object(await request.body())
            if path != "case":
                self.record.ask(path)
            return JSONResponse(await getattr(self, f"_{path}")(body))
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        except Exception as error:  # noqa: BLE001 - whatever it is, the runner must hear of it
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 500)

    async def _case(self, body: dict[str, Any]) -> dict[str, Any]:
        key = (body.get("file", ""), body.get("name", ""))
        case = self.record.cases.get(key)
        if case is None:
            raise ValueError(f"there is no case {key[0]!r}: {key[1]!r} to run")
        profile = body.get("server", "plain")
        if profile != case.server or profile not in PROFILES:
            raise ValueError(f"the case wants the server {case.server!r}, not {profile!r}")
        self.record.begin(key)
        self._station = await self._fleet.prepare(profile)
        return {"address": self._station.address, "closed": self._fleet.closed, **self._station.told}

    async def _server(self, body: dict[str, Any]) -> dict[str, Any]:
        server, do = self._at().server, _one_of(body.get("do"), _SERVER)
        if do == "restart":
            await server.kill()
            await server.start()
        else:
            await getattr(server, do)()
        return {}

    async def _database(self, body: dict[str, Any]) -> dict[str, Any]:
        postgres, do = self._at().postgres, _one_of(body.get("do"), _DATABASE)
        if postgres is None:
            raise ValueError("only a case with the server 'alone' may stop its database")
        if do == "stop":
            await self._fleet.alone.before_stop()
            await postgres.stop()
        else:
            await postgres.start()
        return {}

    async def _fault(self, body: dict[str, Any]) -> dict[str, Any]:
        self._proxied().faults.plan(body)
        return {}

    async def _seen(self, body: dict[str, Any]) -> dict[str, Any]:
        return dict(self._proxied().faults.seen(body.get("method")))

    def _at(self) -> Station:
        if self._station is None:
            raise ValueError("no case has begun")
        return self._station

    def _proxied(self) -> Any:
        proxy = self._at().proxy
        if proxy is None:
            raise ValueError("only a case with the server 'faulty' may do that")
        return proxy


def _object(body: bytes) -> dict[str, Any]:
    found = json.loads(body or b"{}")
    if not isinstance(found, dict):
        raise TypeError("the body must be a JSON object")
    return found


def _one_of(said: object, known: tuple[str, ...]) -> str:
    if not isinstance(said, str) or said not in known:
        raise ValueError(f"do: one of {', '.join(known)}, not {said!r}")
    return said


class _Quiet(uvicorn.Server):
    """A server that leaves signals to the harness."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
