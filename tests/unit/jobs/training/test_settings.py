"""Settings from the environment, exit codes of gangs, learning rates: tables of cases."""

import contextlib

import pytest
import torch

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.trials import Optimiser
from taskonomy_jobs.elastic import worst
from taskonomy_jobs.precision import mixed_precision
from taskonomy_jobs.settings import Settings
from taskonomy_jobs.students import learning_rate
from taskonomy_jobs.trainer import validation_interval


def test_settings_come_from_the_environment() -> None:
    given = {"TASKONOMY_CHECKPOINT_SECONDS": "2.5", "TASKONOMY_MICRO_BATCH": "8", "OTHER": "x"}
    assert Settings.from_environment(given) == Settings(checkpoint_seconds=2.5, micro_batch=8)
    assert Settings.from_environment({}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DECODERS", "two", "TASKONOMY_DECODERS is 'two'; write a number"),
        ("MICRO_BATCH", "-1", "TASKONOMY_MICRO_BATCH is below 0"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingRefused, match=said):
        Settings.from_environment({f"TASKONOMY_{name}": value})


@pytest.mark.parametrize(
    ("codes", "code"),
    [({75}, 75), ({64, 75}, 64), ({64}, 64), ({1}, 1), ({-9, 75}, 75), ({-9}, 1), (set(), 1)],
)
def test_a_gang_ends_with_what_its_workers_say(codes: set[int], code: int) -> None:
    assert worst(codes) == code


def optimiser(**changes: float) -> Optimiser:
    content = {
        "steps": 100,
        "batch_size": 1,
        "learning_rate": 0.1,
        "weight_decay": 0,
        "lr_decay_step": 10,
        "lr_decay_factor": 0.5,
        "patience": 0,
    }
    return Optimiser.model_validate(content | changes)


def test_the_learning_rate_falls_once() -> None:
    rates = [learning_rate(optimiser(), step) for step in (0, 9, 10, 19, 20, 99)]
    assert rates == [0.1, 0.1, 0.05, 0.05, 0.05, 0.05]
    assert learning_rate(optimiser(lr_decay_step=0), 99) == 0.1


@pytest.mark.parametrize(
    ("patience", "steps", "examples", "interval"),
    [
        (3, 100, 80, 5),
        (3, 7, 80, 1),
        (0, 100, 4, 20),  # 100 examples are learnt from: five validations of 4 are a fifth
        (0, 100, 8, 50),
        (0, 100, 80, 100),
        (0, 3, 1, 3),
        (0, 100, 0, 20),
    ],
)
def test_validations_are_spread_over_the_trial(
    patience: int, steps: int, examples: int, interval: int
) -> None:
    assert validation_interval(optimiser(patience=patience), steps, examples) == interval


def test_a_gpu_that_only_emulates_bfloat16_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As torch answers for one older than Ampere: supported, if emulation counts."""

    def emulated(including_emulation: bool = True) -> bool:
        return including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", emulated)
    assert isinstance(mixed_precision(torch.device("cuda")), contextlib.nullcontext)
