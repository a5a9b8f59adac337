"""How a machine is shared out among jobs."""

import os
from pathlib import Path
from typing import Any

import pytest

from taskonomy_operator import machine
from taskonomy_operator.machine import Machine, Slots, share_out, this_machine

GIB = 2**30


@pytest.mark.parametrize(
    ("cores", "memory", "gpus", "processes", "expected"),
    [
        pytest.param(2, 8, (), None, Slots(jobs=2, threads=1), id="laptop"),
        pytest.param(16, 8, (), None, Slots(jobs=5, threads=3), id="memory is short"),
        pytest.param(8, 0, (), None, Slots(jobs=1, threads=8), id="hardly any memory"),
        pytest.param(8, 64, (), 2, Slots(jobs=2, threads=4), id="as asked"),
        pytest.param(2, 1, (), 6, Slots(jobs=6, threads=1), id="more than fit, as asked"),
        pytest.param(
            16, 64, ("0", "1"), None, Slots(jobs=2, threads=8, gpus=("0", "1")), id="a job a GPU"
        ),
    ],
)
def test_share_out(cores: Any, memory: Any, gpus: Any, processes: Any, expected: Any) -> None:
    assert share_out(Machine(cores=cores, memory=memory * GIB, gpus=gpus), processes) == expected


def test_jobs_take_turns_at_the_gpus() -> None:
    slots = Slots(jobs=3, threads=2, gpus=("0", "GPU-7"))
    devices = [slots.environment(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(3)]
    assert devices == ["0", "GPU-7", "0"]
    assert slots.environment(0)["OMP_NUM_THREADS"] == "2"
    assert "CUDA_VISIBLE_DEVICES" not in Slots(jobs=1, threads=1).environment(0)


def test_this_machine_has_something_to_give() -> None:
    here = this_machine()
    assert 1 <= here.cores <= (os.cpu_count() or 1)
    assert here.memory > 0


def test_a_containers_limits_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    limits = {"cpu.max": "150000 100000", "memory.max": "500", "memory.current": "200"}
    for name, text in limits.items():
        (tmp_path / name).write_text(text)
    here = this_machine()
    assert (here.cores, here.memory) == (2, 300)
    (tmp_path / "cpu.max").write_text("max 100000")
    assert this_machine().cores == 8


@pytest.mark.parametrize(
    ("visible", "gpus"), [("0,2", ("0", "2")), ("", ()), ("-1", ()), ("GPU-ab", ("GPU-ab",))]
)
def test_visible_gpus_are_those_there_are(
    monkeypatch: pytest.MonkeyPatch, visible: Any, gpus: Any
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert this_machine().gpus == gpus


def test_boot_is_one_word() -> None:
    assert machine.boot() == machine.boot()
    assert not Path("/proc/sys/kernel/random/boot_id").exists() or len(machine.boot()) == 36
