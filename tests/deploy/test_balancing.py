"""Several servers behind a client that balances: docs/deployment.md says that this works."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import TYPE_CHECKING

import grpc
from mink.v1 import operations_pb2, operations_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess

ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


def calls(process: MinkProcess) -> float:
    """GetStatistics calls that a server has begun."""
    text = urllib.request.urlopen(f"http://{process.metrics_address}/metrics", timeout=10).read().decode()
    found = re.findall(r'^grpc_server_started_total\{grpc_method="GetStatistics".*\} (\S+)$', text, re.MULTILINE)
    return float(found[0]) if found else 0.0


def test_round_robin_spreads_calls_and_leaves_out_who_is_gone(start_server: Callable[..., MinkProcess]) -> None:
    servers = [start_server(), start_server()]
    target = "ipv4:" + ",".join(server.grpc_address for server in servers)
    with grpc.insecure_channel(target, options=[("grpc.service_config", ROUND_ROBIN)]) as channel:
        stub = operations_pb2_grpc.OperationsStub(channel)

        def call() -> None:
            stub.GetStatistics(operations_pb2.GetStatisticsRequest(top_types=1), timeout=20, wait_for_ready=True)

        # At first the channel may know one of them only.
        for _ in range(200):
            call()
            if all(calls(server) >= 5 for server in servers):
                break
        assert all(calls(server) >= 5 for server in servers)
        servers[0].kill()
        before = calls(servers[1])
        failed = []
        for _ in range(20):
            try:
                call()
            except grpc.RpcError as error:
                failed.append(error.code())
        # At most the call that was under way when it went.
        assert failed in ([], [grpc.StatusCode.UNAVAILABLE])
        assert calls(servers[1]) - before >= 20 - len(failed)
