"""Real servers on this machine's loopback, each on ports of its own, ended by its process."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TextIO
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

STARTUP = 90.0
"""Seconds a server may take before it answers."""


def program(name: str, variable: str) -> str | None:
    """Return a program's path: named by a variable, beside this Python, or on the PATH."""
    beside = Path(sys.executable).with_name(name)
    return os.environ.get(variable) or (str(beside) if beside.exists() else shutil.which(name))


def free_ports(count: int) -> list[int]:
    """Return ports nobody listens on; below those that connections of this machine get.

    Each is claimed by a lock on a file until this process ends: a port that is only tried would
    be given to another test process too, before the server takes it.
    """
    ports: list[int] = []
    for port in range(20_000, 32_000):
        if len(ports) == count:
            break
        claim = (Path(tempfile.gettempdir()) / f"taskonomy-test-port-{port}").open("w")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with closing(socket.socket()) as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        ports.append(port)
    return ports


_claims: list[TextIO] = []
"""Open until this process ends."""


@contextmanager
def running(
    command: Sequence[str], log: Path, answers: Callable[[], bool], **environment: str
) -> Iterator[None]:
    """Run a server until the block ends; what it said is shown if it does not come up."""
    with log.open("wb") as said:
        server = subprocess.Popen(
            command, stdout=said, stderr=said, env=os.environ | environment, start_new_session=True
        )
    try:
        deadline = time.monotonic() + STARTUP
        while not answers():
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not come up:\n{log.read_text()[-4000:]}")
            time.sleep(0.2)
        yield
    finally:
        _end(server)


def _end(server: "subprocess.Popen[bytes]") -> None:
    """End a server and its children, which are in a session of their own; nothing of it is kept."""
    for sign, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 5)):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=patience)
            return


def http_status(url: str) -> int:
    """Return what a server answers, 0 if it does not."""
    try:
        with closing(urlopen(url, timeout=2)) as answer:
            return int(answer.status)
    except HTTPError as error:
        with closing(error):
            return int(error.code)
    except (URLError, OSError):
        return 0


@contextmanager
def s3_server(
    weed: str, folder: Path, *, address: str = "127.0.0.1", before: Sequence[str] = ()
) -> Iterator[dict[str, str]]:
    """Run SeaweedFS with its S3 gateway; give the AWS_* variables that reach it.

    Args:
        weed: the program.
        folder: where it keeps everything.
        address: where it listens.
        before: words of a command that runs it.
    """
    key, secret = "test-key", "test-secret"
    config = folder / "s3.json"
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config.write_text(json.dumps({"identities": [identity]}))
    names = ("master", "volume", "filer", "s3")
    ports = iter(free_ports(2 * len(names)))
    options = []
    url = ""
    for name in names:
        http, grpc = next(ports), next(ports)
        options += [f"-{name}.port={http}", f"-{name}.port.grpc={grpc}"]
        url = f"http://{address}:{http}"  # the last is the gateway's
    command = [*before, weed, "server", f"-dir={folder}", f"-ip={address}", f"-ip.bind={address}"]
    command += ["-filer", "-s3", f"-s3.config={config}", "-volume.max=20"]
    # By default it listens on fixed ports too, and reports statistics to its makers.
    options += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    command += ["-master.volumeSizeLimitMB=64", *options]
    with running(command, folder / "weed.log", lambda: http_status(url) == 403):
        yield {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": url,
        }


@contextmanager
def mlflow_server(mlflow: str, folder: Path) -> Iterator[str]:
    """Run an MLflow server on a SQLite file; give its URI."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [mlflow, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/runs.db"]
    command += ["--default-artifact-root", str(folder / "runs")]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    log = folder / "mlflow.log"
    with running(command, log, lambda: http_status(f"{url}/health") == 200, **quiet):
        yield url
