"""Every example is a study that parses and asks for as many trials as combinatorics say."""

from math import comb
from pathlib import Path

import pytest
import yaml

from taskonomy_catalogue.study import Study, dictionary_beside, parse_study
from taskonomy_catalogue.study_trials import count_trials

EXAMPLES = Path(__file__).parents[3] / "examples"


def example(name: str) -> Study:
    path = EXAMPLES / name
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return parse_study(document, origin=name, read_dictionary=dictionary_beside(path))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_a_study(path: Path) -> None:
    study = example(path.name)
    assert study.targets()
    assert sum(count_trials(study).values()) > 0


def test_the_demo_has_tasks_of_every_group_of_the_paper() -> None:
    study = example("rooms.yaml")
    groups = {task.group for task in study.targets()}
    assert groups == {"2d", "3d", "low-dimensional", "semantic"}
    assert len(study.targets()) >= 8
    assert count_trials(study) == {
        "task-specific": 9,
        "scratch": 9,
        "first-order": 9 * 10,
        "higher-order": 9 * comb(3, 2),
    }


def test_the_whole_dictionary_takes_the_papers_candidates() -> None:
    targets = 26 - 4
    assert count_trials(example("full26.yaml")) == {
        "task-specific": 25,
        "scratch": targets,
        "first-order": targets * 26,
        "higher-order": targets * (comb(5, 2) + comb(5, 3) + comb(6, 4)),
    }
