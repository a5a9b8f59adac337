"""The operator as a process, as a pod starts it: to be killed, paused, ended and started again."""

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import yaml
from kube import eventually
from prometheus_client.parser import text_string_to_metric_families
from real_servers import free_ports

ROOT = Path(__file__).parents[2]

INSTALLATION: dict[str, Any] = {
    "image": "example.org/taskonomy-jobs:1",
    "operatorImage": "example.org/taskonomy-operator:1",
    "warehouseImage": "example.org/taskonomy-warehouse:1",
    "artifacts": "/artifacts",
    "pack": 1,
    "graceSeconds": 1,
}
"""One trial a Job, and nothing mounted: the nodes are kwok's."""

QUICK = {"status-interval": 0.2, "lease-duration": 60, "lease-deadline": 40}
"""Impatient where seconds of a test are dear, patient where a busy machine may stumble."""


class OperatorProcess:
    """One replica of the operator, serving one namespace; it ends with the block it is used in."""

    def __init__(
        self,
        folder: Path,
        kubeconfig: Path,
        namespace: str,
        *,
        name: str = "operator-0",
        installation: dict[str, Any] | None = None,
        **flags: Any,
    ) -> None:
        """Start nothing yet; `start` does.

        Args:
            folder: where the log and the installation's file go.
            kubeconfig: who it is, and on which server.
            namespace: where Studies are; the lease is there too.
            name: of the pod it would be: a container that is started again keeps it.
            installation: settings beside `INSTALLATION`.
            flags: further flags, `_` for `-`.
        """
        (self.port,) = free_ports(1)
        self.log_file = folder / f"{name}.log"
        self._folder = folder
        path = folder / f"{name}-installation.yaml"
        path.write_text(yaml.safe_dump(INSTALLATION | (installation or {})))
        told: dict[str, object] = {
            "kubeconfig": kubeconfig,
            "namespace": namespace,
            "lease-namespace": namespace,
            "installation": path,
            "port": self.port,
            "qps": 500,
            "burst": 500,
            **QUICK,
            **{flag.replace("_", "-"): value for flag, value in flags.items()},
        }
        words = [word for flag, value in told.items() for word in (f"--{flag}", str(value))]
        self._command = [sys.executable, "-m", "taskonomy_operator", *words]
        paths = os.pathsep.join(str(ROOT / package) for package in ("catalogue", "operator"))
        self._environment = os.environ | {"PYTHONPATH": paths, "POD_NAME": name}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "OperatorProcess":
        return self.start()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            state = "runs" if self.is_running else "has ended"
            error.add_note(f"the operator {state}; it said:\n{self.log()[-4000:]}")
        if self.is_running:
            self.kill()

    def start(self) -> "OperatorProcess":
        """Start it; it is not ready yet."""
        assert not self.is_running
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=self._environment,
            )
        return self

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it as a machine that loses power does."""
        self.signal(signal.SIGKILL)
        self.wait()

    def terminate(self, within: float = 30) -> int:
        """End it as a kubelet does, and return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(within)

    def restart(self) -> "OperatorProcess":
        """Kill it and start it anew."""
        self.kill()
        return self.start()

    def signal(self, sign: signal.Signals) -> None:
        """Send it a signal; SIGSTOP and SIGCONT pause it and let it go on."""
        assert self._process is not None
        self._process.send_signal(sign)

    def wait(self, within: float = 30) -> int:
        """Return its exit code once it has ended."""
        assert self._process is not None
        return self._process.wait(within)

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text of what it answers; 0: it does not."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with closing(link), suppress(OSError, http.client.HTTPException):
            link.request("GET", path)
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        return 0, ""

    def ready(self, within: float = 60) -> "OperatorProcess":
        """Return once it says that it is ready."""

        def says_so() -> bool:
            if not self.is_running:
                raise AssertionError(f"the operator ended: {self.log()[-3000:]}")
            return self.get("/readyz")[0] == 200

        eventually(says_so, within=within, what=lambda: (self.get("/readyz"), self.log()[-3000:]))
        return self

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over all series that have these labels."""
        samples = self._samples(name)
        return sum(value for has, value in samples if labels.items() <= has.items())

    def leads(self) -> bool:
        """Return whether it is the replica that acts."""
        return self.metric("taskonomy_leader") == 1

    def log(self) -> str:
        """Return what it has said."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def said(self, pattern: str) -> bool:
        """Return whether something it said fits a pattern."""
        return re.search(pattern, self.log()) is not None

    def _samples(self, name: str) -> Iterable[tuple[dict[str, str], float]]:
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                if sample.name == name:
                    yield sample.labels, sample.value
