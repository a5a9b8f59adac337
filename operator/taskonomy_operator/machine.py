"""What this machine has to give, and how many jobs fit into it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

PROCESS_MEMORY = 1_500_000_000
"""Bytes reckoned for one training process on a CPU: torch, a laptop's network and its batches."""

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Cores, memory and GPUs that this process may use."""

    cores: int
    """Processor cores."""
    memory: int
    """Bytes that are free."""
    gpus: tuple[str, ...] = ()
    """What CUDA_VISIBLE_DEVICES calls each GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """How the machine is shared out among jobs."""

    jobs: int
    """Jobs at once."""
    threads: int
    """Threads of each."""
    gpus: tuple[str, ...] = ()
    """GPUs, shared out in turn; empty: jobs run on the CPU."""

    def environment(self, slot: int) -> dict[str, str]:
        """Return the environment variables of the job in a slot, from 0."""
        threads = {f"{library}_NUM_THREADS": str(self.threads) for library in _LIBRARIES}
        gpu = self.gpus[slot % len(self.gpus)] if self.gpus else None
        return threads | ({"CUDA_VISIBLE_DEVICES": gpu} if gpu is not None else {})


_LIBRARIES = ("OMP", "MKL", "OPENBLAS", "NUMBA")


def share_out(machine: Machine, processes: int | None = None) -> Slots:
    """Return how many jobs run at once, and with how many threads.

    Small networks gain little from a second thread and a second job doubles the work done: as many
    processes as cores, as far as memory goes; with GPUs, one process for each.

    Args:
        machine: what there is.
        processes: how many jobs the user wants; None: what fits.
    """
    fitting = max(1, machine.memory // PROCESS_MEMORY)
    jobs = processes or len(machine.gpus) or min(machine.cores, fitting)
    return Slots(jobs=jobs, threads=max(1, machine.cores // jobs), gpus=machine.gpus)


def this_machine() -> Machine:
    """Return what this process may use, within its container's limits."""
    return Machine(cores=_cores(), memory=_memory(), gpus=_gpus())


def boot() -> str:
    """Return what tells this boot of the machine from others; empty: not known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _cores() -> int:
    usable = getattr(os, "sched_getaffinity", None)
    cores = len(usable(0)) if usable else os.cpu_count() or 1
    quota, _, period = _cgroup("cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit():
        cores = min(cores, max(1, round(int(quota) / int(period))))
    return cores


def _memory() -> int:
    free = _available()
    limit = _cgroup("memory.max")
    used = _cgroup("memory.current")
    if limit.isdigit() and used.isdigit():
        free = min(free, int(limit) - int(used))
    return max(0, free)


def _available() -> int:
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _gpus() -> tuple[str, ...]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name for name in visible.split(",") if name.strip() and name != "-1")
    devices = sorted(Path("/dev").glob("nvidia[0-9]*"), key=lambda path: int(path.name[6:]))
    return tuple(path.name[6:] for path in devices)


def _cgroup(name: str) -> str:
    try:
        return (CGROUP / name).read_text().strip()
    except OSError:
        return ""
