"""A real Prometheus with the project's own configuration, on ports that the system gives."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.deploy.tools import DEPLOY, RULES, document, tool

CONFIG = DEPLOY / "prometheus/prometheus.yml"


class Prometheus:
    """One Prometheus that scrapes, twice a second, what it is given in place of the configuration's targets.

    Args:
        folder: An empty folder for its data.
        targets: Addresses of each job.
    """

    def __init__(self, folder: Path, targets: dict[str, list[str]]) -> None:
        config = document(CONFIG)
        assert set(targets) <= {job["job_name"] for job in config["scrape_configs"]}
        config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"}
        config["rule_files"] = [str(RULES)]
        config["scrape_configs"] = [
            job | {"static_configs": [{"targets": targets[job["job_name"]]}]}
            for job in config["scrape_configs"]
            if job["job_name"] in targets
        ]
        file = folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        self._output = Path(tempfile.mkstemp(prefix="prometheus-", suffix=".log", dir=folder)[1])
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    tool("prometheus", "Debian's package prometheus"),
                    f"--config.file={file}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    "--web.listen-address=127.0.0.1:0",
                ],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._address = ""

    def start(self) -> Prometheus:
        """Waits until it answers."""
        end = time.monotonic() + 60
        while True:
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(f"prometheus did not start:\n{self._output.read_text()}")
            try:
                self._address = self._find()
                if self._address and urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=5).status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.05)

    def _find(self) -> str:
        for connection in psutil.Process(self._process.pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                return f"127.0.0.1:{connection.laddr.port}"
        return ""

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API; an error is raised with its words."""
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now."""
        data = self.ask("query", query=expression)
        assert data["resultType"] == "vector", data["resultType"]
        return list(data["result"])
