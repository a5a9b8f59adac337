"""GPU hours, added up by hand."""

from taskonomy_operator.gpu_meter import GpuMeter


class Clock:
    """A clock that stands until it is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_runs_counts_as_long_as_it_runs() -> None:
    clock = Clock()
    meter = GpuMeter(clock)
    meter.saw("a", "scratch", 2)
    clock.now = 110
    meter.saw("b", "first-order", 1)
    clock.now = 130
    meter.saw("a", "scratch", 0)  # 2 GPUs for 30 s
    clock.now = 150
    assert meter.read() == {"scratch": 60.0, "first-order": 40.0}
    assert meter.read() == {"scratch": 60.0, "first-order": 40.0}


def test_pods_come_and_go() -> None:
    clock = Clock()
    meter = GpuMeter(clock)
    for seconds, gpus in [(100, 16), (110, 8), (115, 8), (120, 16), (121, 0), (199, 0)]:
        clock.now = seconds
        meter.saw("gang", "scratch", gpus)
    clock.now = 200
    assert meter.read() == {"scratch": 160.0 + 80.0 + 16.0}


def test_what_was_used_before_is_read_on_from() -> None:
    clock = Clock()
    meter = GpuMeter(clock)
    meter.start_from("scratch", 3_600.0)
    meter.saw("a", "scratch", 1)
    clock.now = 105
    assert meter.read() == {"scratch": 3_605.0}
