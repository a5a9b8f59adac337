"""GPU hours, added up by hand."""

from taskonomy_operator.gpu_meter import GpuMeter


def test_what_runs_counts_as_long_as_it_runs() -> None:
    meter = GpuMeter()
    meter.saw("a", "scratch", 2, now=100.0)
    meter.saw("b", "first-order", 1, now=110.0)
    meter.saw("a", "scratch", 0, now=130.0)  # 2 GPUs for 30 s
    assert meter.read(150.0) == {"scratch": 60.0, "first-order": 40.0}
    assert meter.read(150.0) == {"scratch": 60.0, "first-order": 40.0}


def test_pods_come_and_go() -> None:
    meter = GpuMeter()
    meter.saw("gang", "scratch", 16, now=0.0)
    meter.saw("gang", "scratch", 8, now=10.0)
    meter.saw("gang", "scratch", 8, now=15.0)
    meter.saw("gang", "scratch", 16, now=20.0)
    meter.saw("gang", "scratch", 0, now=21.0)
    meter.saw("gang", "scratch", 0, now=99.0)
    assert meter.read(100.0) == {"scratch": 160.0 + 80.0 + 16.0}


def test_what_was_used_before_is_read_on_from() -> None:
    meter = GpuMeter()
    meter.start_from("scratch", 3_600.0)
    meter.saw("a", "scratch", 1, now=5.0)
    assert meter.read(10.0) == {"scratch": 3_605.0}
