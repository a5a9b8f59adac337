"""One load at a time: the others wait and say for whom; a holder that dies lets go."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from taskonomy_warehouse.load.lock import only_loader, opened
from taskonomy_warehouse.warehouse import WarehouseBusy, reading, writing

HOLDER = """
import sys, time
from pathlib import Path
from taskonomy_warehouse.load.lock import only_loader
with only_loader(Path(sys.argv[1]), wait=0, say=print):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def holder(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that loads."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_load_is_told_whom_it_waits_for(
    path: Path, holder: "subprocess.Popen[str]"
) -> None:
    said: list[str] = []
    with pytest.raises(WarehouseBusy) as busy, only_loader(path, wait=0.3, say=said.append):
        pytest.fail("both hold it")
    expected = f"is being loaded by process {holder.pid} on {socket.gethostname()} since 20"
    assert expected in str(busy.value)
    assert said == [f"waiting: {busy.value}"]


def test_it_goes_on_when_the_first_is_done(path: Path, holder: "subprocess.Popen[str]") -> None:
    threading.Timer(0.3, holder.terminate).start()
    began = time.monotonic()
    with only_loader(path, wait=30, say=lambda _: None):
        assert 0.2 < time.monotonic() - began < 10


def test_a_killed_load_lets_go(path: Path, holder: "subprocess.Popen[str]") -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with only_loader(path, wait=0, say=pytest.fail):
        pass


def test_the_lock_can_be_taken_again_and_again(path: Path) -> None:
    for _ in range(3):
        with only_loader(path, wait=0, say=pytest.fail):
            pass


def test_a_reader_is_waited_for(path: Path) -> None:
    with writing(path):
        pass
    code = (
        "import sys, duckdb; c = duckdb.connect(sys.argv[1], read_only=True); "
        "print('open', flush=True); sys.stdin.read()"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    assert reader.stdin is not None
    reader.stdout.readline()
    said: list[str] = []
    busy = pytest.raises(WarehouseBusy, match="in use by another process")
    with busy, opened(path, wait=0, say=said.append):
        pytest.fail("both have it open")
    threading.Timer(0.3, reader.stdin.close).start()
    with opened(path, wait=30, say=said.append) as connection:
        assert connection.execute("SELECT count(*) FROM study").fetchone() == (0,)
    assert len(said) == 1
    reader.wait()
    reader.stdout.close()


def test_the_warehouse_is_closed_when_the_block_ends(path: Path) -> None:
    with opened(path, wait=0, say=pytest.fail) as connection:
        pass
    with pytest.raises(duckdb.ConnectionException):
        connection.execute("SELECT 1")
    with reading(path) as reader:
        assert reader.execute("SELECT count(*) FROM study").fetchone() == (0,)
