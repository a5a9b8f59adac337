"""The Study spec: what is accepted and with which defaults, what is refused and in which words."""

import copy
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from taskonomy_catalogue.errors import InputRefused, SettingRefused
from taskonomy_catalogue.refusals import Problem, StudyRefused
from taskonomy_catalogue.study import Study, StudySpec, dictionary_beside, parse_study
from taskonomy_catalogue.study_parts import MAX_NAME, MEANINGS, StageTraining, Transfers
from taskonomy_catalogue.tasks import TaskDictionary, paper_dictionary

THREE = ["normals", "reshading", "curvature"]
OWN_TASK = {
    "id": "night-light",
    "title": "Night light",
    "folder": "night",
    "output": {"kind": "image", "channels": 1},
    "loss": "l1",
}


def document(changes: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return the smallest study there is, with values written at dotted paths."""
    content: dict[str, Any] = {
        "apiVersion": "taskonomy.dev/v1alpha1",
        "kind": "Study",
        "metadata": {"name": "small"},
        "spec": {"data": {"dataset": "s3://rooms/v1"}},
    }
    for path, value in (changes or {}).items():
        *parents, last = path.split(".")
        part = content
        for parent in parents:
            part = part.setdefault(parent, {})
        part[last] = copy.deepcopy(value)
    return content


def study(changes: Mapping[str, object] | None = None) -> Study:
    return parse_study(document(changes), origin="study.yaml")


def problems(content: object) -> tuple[Problem, ...]:
    with pytest.raises(StudyRefused) as refused:
        parse_study(content, origin="study.yaml")  # type: ignore[arg-type]
    return refused.value.problems


# --- what is refused ---------------------------------------------------------------------------


class Bad(NamedTuple):
    """A study with one thing wrong: what is changed, the field blamed, a word of the message."""

    changes: dict[str, object]
    field: str
    word: str


OF_ONE_FIELD = {
    "wrong apiVersion": Bad({"apiVersion": "taskonomy.dev/v1"}, "apiVersion", "v1alpha1"),
    "wrong kind": Bad({"kind": "study"}, "kind", "did you mean 'Study'"),
    "metadata is text": Bad({"metadata": "small"}, "metadata", "mapping"),
    "no name": Bad({"metadata": {}}, "metadata.name", "required"),
    "name in capitals": Bad({"metadata.name": "Small"}, "metadata.name", "RFC 1123"),
    "name ends in a hyphen": Bad({"metadata.name": "small-"}, "metadata.name", "RFC 1123"),
    "name with a dot": Bad({"metadata.name": "a.b"}, "metadata.name", "RFC 1123"),
    "name with a line end": Bad({"metadata.name": "small\n"}, "metadata.name", "RFC 1123"),
    "label is a number": Bad({"metadata.labels": {"a": 1}}, "metadata.labels.a", "quotes"),
    "label named by a number": Bad({"metadata.labels": {1: "a"}}, "metadata.labels[1]", "quotes"),
    "no data": Bad({"spec": {}}, "spec.data", "required"),
    "no dataset": Bad({"spec.data": {}}, "spec.data.dataset", "required"),
    "dataset with a blank": Bad({"spec.data.dataset": "my data"}, "spec.data.dataset", "blanks"),
    "dataset empty": Bad({"spec.data.dataset": ""}, "spec.data.dataset", "at least 1"),
    "unknown layout": Bad({"spec.data.layout": "omni"}, "spec.data.layout", "omnidata"),
    "splits not a CSV": Bad({"spec.data.splits": "a/b.txt"}, "spec.data.splits", ".csv"),
    "fraction zero": Bad(
        {"spec.data.transferFraction": 0}, "spec.data.transferFraction", "greater than 0"
    ),
    "fraction above one": Bad(
        {"spec.data.transferFraction": 2}, "spec.data.transferFraction", "less than or equal to 1"
    ),
    "fraction not a number": Bad(
        {"spec.data.transferFraction": float("nan")}, "spec.data.transferFraction", "finite"
    ),
    "field in snake case": Bad(
        {"spec.data.transfer_fraction": 0.1}, "spec.data.transfer_fraction", "'transferFraction'"
    ),
    "unknown field of the spec": Bad({"spec.gpuhours": 1}, "spec.gpuhours", "'gpuHours'"),
    "unknown field nobody knows": Bad({"spec.model.zzz": 1}, "spec.model.zzz", "imageSize"),
    "unknown field of a stage": Bad(
        {"spec.training.transfer.epoch": 3}, "spec.training.transfer.epoch", "'epochs'"
    ),
    "unknown field at the top": Bad({"specs": {}}, "specs", "'spec'"),
    "encoder": Bad({"spec.model.encoder": "resnet-50"}, "spec.model.encoder", "'resnet50'"),
    "decoder": Bad({"spec.model.decoder": "unet"}, "spec.model.decoder", "paper, tiny"),
    "odd image size": Bad({"spec.model.imageSize": 250}, "spec.model.imageSize", "multiple of 16"),
    "image size as text": Bad({"spec.model.imageSize": "256"}, "spec.model.imageSize", "quotes"),
    "epochs with a fraction": Bad(
        {"spec.training.scratch.epochs": 2.5}, "spec.training.scratch.epochs", "whole number"
    ),
    "batch of true": Bad(
        {"spec.training.scratch.batchSize": True}, "spec.training.scratch.batchSize", "whole number"
    ),
    "no epochs at all": Bad(
        {"spec.training.scratch.epochs": 0}, "spec.training.scratch.epochs", "greater"
    ),
    "YAML reads 1e-4 as text": Bad(
        {"spec.training.transfer.learningRate": "1e-4"},
        "spec.training.transfer.learningRate",
        "1.0e-4",
    ),
    "negative weight decay": Bad(
        {"spec.training.transfer.higherOrderWeightDecay": -1.0},
        "spec.training.transfer.higherOrderWeightDecay",
        "greater than or equal to 0",
    ),
    "no seed": Bad(
        {"spec.training.taskSpecific.seeds": []}, "spec.training.taskSpecific.seeds", "at least one"
    ),
    "seeds not a list": Bad(
        {"spec.training.taskSpecific.seeds": 3}, "spec.training.taskSpecific.seeds", "a list"
    ),
    "seventeen seeds": Bad(
        {"spec.training.scratch.seeds": list(range(17))}, "spec.training.scratch.seeds", "most 16"
    ),
    "negative patience": Bad(
        {"spec.training.scratch.earlyStopping.patience": -1},
        "spec.training.scratch.earlyStopping.patience",
        "greater than or equal to 0",
    ),
    "training is null": Bad({"spec.training": None}, "spec.training", "leave the line out"),
    "order zero": Bad({"spec.transfers.orders": [0, 1]}, "spec.transfers.orders[0]", "greater"),
    "order as text": Bad({"spec.transfers.orders": ["1"]}, "spec.transfers.orders[0]", "quotes"),
    "no order": Bad({"spec.transfers.orders": []}, "spec.transfers.orders", "at least one"),
    "policy": Bad({"spec.transfers.candidates": "all"}, "spec.transfers.candidates", "exhaustive"),
    "memory in GB": Bad(
        {"spec.resources.scratch.memory": "16GB"}, "spec.resources.scratch.memory", "16Gi"
    ),
    "shm of nothing": Bad(
        {"spec.resources.scratch.shm": "0Gi"}, "spec.resources.scratch.shm", "positive"
    ),
    "cpu of nothing": Bad(
        {"spec.resources.affinity.cpu": "0.0"}, "spec.resources.affinity.cpu", "positive"
    ),
    "cpu without quotes": Bad(
        {"spec.resources.firstOrder.cpu": 4}, "spec.resources.firstOrder.cpu", 'quotes: "4"'
    ),
    "negative gpus": Bad(
        {"spec.resources.higherOrder.gpus": -1}, "spec.resources.higherOrder.gpus", "greater"
    ),
    "GPUs for a taxonomy": Bad(
        {"spec.resources.taxonomy.gpus": 1}, "spec.resources.taxonomy.gpus", "unknown field"
    ),
    "profile": Bad(
        {"spec.resources.scratch.profile": "A100!"}, "spec.resources.scratch.profile", "lower-case"
    ),
    "queue": Bad({"spec.queue": "Team A"}, "spec.queue", "lower-case"),
    "priority class": Bad({"spec.priorityClassName": "-"}, "spec.priorityClassName", "object"),
    "no parallelism": Bad({"spec.parallelism": 0}, "spec.parallelism", "greater"),
    "many retries": Bad({"spec.retries": 100}, "spec.retries", "less than or equal to 20"),
    "no GPU hours": Bad({"spec.gpuHours": 0}, "spec.gpuHours", "greater than 0"),
    "artifacts": Bad({"spec.artifacts": "s3://a b"}, "spec.artifacts", "URI"),
    "tracking": Bad({"spec.tracking": "host:5000"}, "spec.tracking", "URI"),
    "budget of nothing": Bad(
        {"spec.taxonomy.budgets": [2, 0]}, "spec.taxonomy.budgets[1]", "greater than 0"
    ),
    "budget without bound": Bad(
        {"spec.taxonomy.budgets": [float("inf")]}, "spec.taxonomy.budgets[0]", "finite"
    ),
    "flag as text": Bad(
        {"spec.taxonomy.allowOwnTransfer": "yes"}, "spec.taxonomy.allowOwnTransfer", "true or false"
    ),
    "dictionary": Bad({"spec.tasks.dictionary": "papr"}, "spec.tasks.dictionary", ".toml"),
    "blank in a task's name": Bad(
        {"spec.tasks.subset": [" normals"]}, "spec.tasks.subset[0]", "blanks"
    ),
    "negative importance": Bad(
        {"spec.tasks.importance": {"normals": -1}}, "spec.tasks.importance.normals", "greater"
    ),
    "custom task's id": Bad(
        {"spec.tasks.custom": [OWN_TASK | {"id": "Night"}]}, "spec.tasks.custom[0].id", "task id"
    ),
    "custom task without output": Bad(
        {"spec.tasks.custom": [{k: v for k, v in OWN_TASK.items() if k != "output"}]},
        "spec.tasks.custom[0].output",
        "required",
    ),
    "custom task's unknown field": Bad(
        {"spec.tasks.custom": [OWN_TASK | {"foldr": "night"}]},
        "spec.tasks.custom[0].foldr",
        "'folder'",
    ),
}

BETWEEN_FIELDS = {
    "name too long for its Jobs": Bad(
        {"metadata.name": "a" * (MAX_NAME + 1)}, "metadata.name", "digest"
    ),
    "steps and epochs": Bad(
        {"spec.training.scratch.steps": 10, "spec.training.scratch.epochs": 1},
        "spec.training.scratch.steps",
        "not both",
    ),
    "steps and epochs of a subclass": Bad(
        {"spec.training.transfer.steps": 10, "spec.training.transfer.epochs": 1},
        "spec.training.transfer.steps",
        "not both",
    ),
    "a seed twice": Bad(
        {"spec.training.scratch.seeds": [1, 2, 1]}, "spec.training.scratch.seeds", "twice"
    ),
    "fewest nodes above most": Bad(
        {"spec.resources.firstOrder.nodes": {"min": 3, "max": 2}},
        "spec.resources.firstOrder.nodes.min",
        "above max 2",
    ),
    "only the fewest nodes": Bad(
        {"spec.resources.firstOrder.nodes.min": 2},
        "spec.resources.firstOrder.nodes.min",
        "raise max",
    ),
    "orders descend": Bad(
        {"spec.transfers.orders": [2, 1]}, "spec.transfers.orders", "write [1, 2]"
    ),
    "an order twice": Bad({"spec.transfers.orders": [1, 1]}, "spec.transfers.orders", "write [1]"),
    "no first order to rank by": Bad(
        {"spec.transfers.orders": [2, 3]}, "spec.transfers.orders", "first-order"
    ),
    "beam without width": Bad(
        {"spec.transfers.candidates": "beam"}, "spec.transfers.beamWidth", "both or neither"
    ),
    "width without beam": Bad(
        {"spec.transfers.beamWidth": 4}, "spec.transfers.beamWidth", "both or neither"
    ),
    "a budget twice": Bad(
        {"spec.taxonomy.budgets": [2, 2.0]}, "spec.taxonomy.budgets", "given twice"
    ),
    "a maximum order twice": Bad(
        {"spec.taxonomy.orders": [1, 1]}, "spec.taxonomy.orders", "given twice"
    ),
    "a maximum order nobody measures": Bad(
        {"spec.transfers.orders": [1, 2], "spec.taxonomy.orders": [3]},
        "spec.taxonomy.orders",
        "above order 2",
    ),
    "inline without tasks": Bad(
        {"spec.tasks.dictionary": "inline"}, "spec.tasks.custom", "at least one task"
    ),
}

OF_THE_DICTIONARY = {
    "unknown task": Bad(
        {"spec.tasks.subset": ["normls"]}, "spec.tasks.subset[0]", "did you mean 'normals'"
    ),
    "several tasks' folder": Bad({"spec.tasks.subset": ["rgb"]}, "spec.tasks.subset[0]", "several"),
    "a task twice under two names": Bad(
        {"spec.tasks.subset": [*THREE, "rgb2sfnorm"]}, "spec.tasks.subset[3]", "subset[0]"
    ),
    "source-only and target-only": Bad(
        {"spec.tasks.sourceOnly": ["normals"], "spec.tasks.targetOnly": ["depth", "rgb2sfnorm"]},
        "spec.tasks.targetOnly[1]",
        "already in sourceOnly[0]",
    ),
    "target-only and both": Bad(
        {"spec.tasks.targetOnly": ["depth"], "spec.tasks.both": ["depth"]},
        "spec.tasks.both[0]",
        "already in targetOnly[0]",
    ),
    "role of a task left out": Bad(
        {"spec.tasks.subset": THREE, "spec.tasks.sourceOnly": ["depth"]},
        "spec.tasks.sourceOnly[0]",
        "add it to tasks.subset",
    ),
    "importance of nobody": Bad(
        {"spec.tasks.importance": {"nrmals": 1}}, "spec.tasks.importance.nrmals", "'normals'"
    ),
    "importance of a source": Bad(
        {"spec.tasks.importance": {"jigsaw": 2}}, "spec.tasks.importance.jigsaw", "no target"
    ),
    "importance of a task left out": Bad(
        {
            "spec.tasks.subset": THREE,
            "spec.transfers.orders": [1],
            "spec.tasks.importance": {"depth": 2},
        },
        "spec.tasks.importance.depth",
        "no target of this study",
    ),
    "importance twice": Bad(
        {"spec.tasks.importance": {"normals": 1, "rgb2sfnorm": 2}},
        "spec.tasks.importance.rgb2sfnorm",
        "already given as 'normals'",
    ),
    "cost of a target": Bad(
        {"spec.tasks.targetOnly": ["depth"], "spec.tasks.labelCost": {"depth": 2}},
        "spec.tasks.labelCost.depth",
        "no source",
    ),
    "no target": Bad({"spec.tasks.subset": ["jigsaw"]}, "spec.tasks", "no task is a target"),
    "no source": Bad(
        {"spec.tasks.subset": ["depth"], "spec.tasks.targetOnly": ["depth"]},
        "spec.tasks",
        "no task is a source",
    ),
    "random as a target": Bad(
        {"spec.tasks.targetOnly": ["random"]}, "spec.tasks", "'random' has no loss"
    ),
    "random as both": Bad({"spec.tasks.both": ["random"]}, "spec.tasks", "never trained"),
    "own task named as one of the paper's": Bad(
        {"spec.tasks.custom": [OWN_TASK | {"id": "normals"}]}, "spec.tasks.custom", "two tasks"
    ),
    "own task with a reserved name": Bad(
        {"spec.tasks.custom": [OWN_TASK | {"id": "self"}]}, "spec.tasks.custom", "reserved"
    ),
    "101 tasks": Bad(
        {"spec.tasks.custom": [OWN_TASK | {"id": f"own-{n}"} for n in range(75)]},
        "spec.tasks.custom",
        "at most 100",
    ),
    "order above the number of sources": Bad(
        {"spec.tasks.subset": THREE}, "spec.transfers.orders", "order 4 combines 4 sources"
    ),
    "own encoder is no source of an order above 1": Bad(
        {"spec.tasks.subset": THREE, "spec.transfers.orders": [1, 3]},
        "spec.transfers.orders",
        "has 2 to draw on",
    ),
    "no source but itself": Bad(
        {
            "spec.tasks.subset": ["depth"],
            "spec.transfers.orders": [1],
            "spec.transfers.ownEncoder": "never",
        },
        "spec.transfers.orders",
        "has 0 to draw on",
    ),
    "too many transfers": Bad(
        {"spec.transfers.candidates": "exhaustive"}, "spec.transfers", "at most 100,000"
    ),
    "too many transfers by seeds": Bad(
        {
            "spec.transfers.candidates": "exhaustive",
            "spec.transfers.orders": [1, 2],
            "spec.training.transfer.seeds": list(range(15)),
        },
        "spec.transfers",
        f"{15 * (22 * 26 + 22 * 300):,}",
    ),
    "batch size of nobody": Bad(
        {"spec.training.transfer.batchSizes": {"dpth": 4}},
        "spec.training.transfer.batchSizes.dpth",
        "'depth'",
    ),
    "batch size twice": Bad(
        {"spec.training.transfer.batchSizes": {"depth": 4, "rgb2depth": 8}},
        "spec.training.transfer.batchSizes.rgb2depth",
        "already given as 'depth'",
    ),
    "a tasks file where none is read": Bad(
        {"spec.tasks.dictionary": "tasks.toml"}, "spec.tasks.dictionary", "cannot be read here"
    ),
}

BAD = OF_ONE_FIELD | BETWEEN_FIELDS | OF_THE_DICTIONARY


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_bad_study_is_refused_with_its_one_field_and_the_way_out(case: Bad) -> None:
    (problem,) = problems(document(case.changes))
    assert problem.field == case.field
    assert case.word in problem.message


def test_the_tables_of_bad_studies_hold_no_name_twice() -> None:
    assert len(BAD) == len(OF_ONE_FIELD) + len(BETWEEN_FIELDS) + len(OF_THE_DICTIONARY)


@pytest.mark.parametrize("content", [None, [], "name: x", 3])
def test_what_is_no_mapping_is_no_study(content: object) -> None:
    (problem,) = problems(content)
    assert problem == Problem(
        "", "a study is a mapping that begins with apiVersion: taskonomy.dev/v1alpha1"
    )


def test_every_problem_is_listed_in_one_message() -> None:
    content = document(
        {
            "spec.tasks.subset": ["normls", "zzz"],
            "spec.resources.scratch.nodes.min": 2,
            "spec.gpuHours": -1,
        }
    )
    with pytest.raises(InputRefused) as refused:
        parse_study(content, origin="studies/a.yaml")
    assert refused.value.exit_code == 5
    assert str(refused.value) == (
        "studies/a.yaml: the study was refused, 4 problems:\n"
        "  spec.tasks.subset[0]: unknown task 'normls'; did you mean 'normals' or 'normal'?\n"
        "  spec.tasks.subset[1]: unknown task 'zzz'; `taskonomyctl tasks` lists them\n"
        "  spec.resources.scratch.nodes.min: 2 is above max 1; lower it or raise max\n"
        "  spec.gpuHours: -1 is refused: it must be greater than 0"
    )


def test_a_key_that_is_not_text_is_refused_and_not_a_crash() -> None:
    content = document()
    content["spec"][7] = "x"
    (problem,) = problems(content)
    assert problem.field == "spec[7]"


def test_both_broken_rules_of_one_part_are_told() -> None:
    found = problems(document({"spec.transfers": {"orders": [3, 2], "beamWidth": 2}}))
    assert [p.field for p in found] == [
        "spec.transfers.orders",
        "spec.transfers.orders",
        "spec.transfers.beamWidth",
    ]


# --- what is accepted --------------------------------------------------------------------------


GOOD: dict[str, dict[str, object]] = {
    "the smallest": {},
    "a name of 52": {"metadata.name": "a" * MAX_NAME},
    "as the API server returns it": {
        "metadata.uid": "1-2-3",
        "metadata.resourceVersion": "7",
        "metadata.namespace": "team-a",
        "status": {"observedGeneration": 1},
    },
    "steps": {"spec.training.transfer.steps": 100},
    "three seeds": {"spec.training.scratch.seeds": [0, 1, 2]},
    "two nodes": {"spec.resources.taskSpecific.nodes": {"min": 1, "max": 2}},
    "quantities": {
        "spec.resources.scratch": {"cpu": "500m", "memory": "1.5Gi", "shm": "64Mi", "gpus": 0}
    },
    "small CPU": {"spec.resources.affinity.cpu": "0.05"},
    "splits in a file": {"spec.data.splits": "splits/mine.csv"},
    "splits by name": {"spec.data.splits": "full+"},
    "a folder on this machine": {"spec.data.dataset": "/data/rooms"},
    "the other layout": {"spec.data.layout": "omnidata"},
    "places": {"spec.artifacts": "file:///results", "spec.tracking": "http://mlflow:5000"},
    "a queue and a ceiling": {
        "spec.queue": "team-a",
        "spec.priorityClassName": "batch.low",
        "spec.gpuHours": 47_886,
    },
    "a beam": {"spec.transfers": {"candidates": "beam", "beamWidth": 3}},
    "all pairs and no singles": {"spec.transfers": {"candidates": "exhaustive", "orders": [2]}},
    "as many orders as others": {"spec.tasks.subset": THREE, "spec.transfers.orders": [1, 2]},
    "own encoder at every order": {
        "spec.tasks.subset": THREE,
        "spec.transfers": {"orders": [1, 2, 3], "ownEncoder": "every-order"},
    },
    "a task measured on itself": {"spec.tasks.subset": ["depth"], "spec.transfers.orders": [1]},
    "the paper's names": {"spec.tasks.importance": {"rgb2sfnorm": 0, "Z-buffer depth": 3.5}},
    "own task beside the paper's": {"spec.tasks.custom": [OWN_TASK]},
    "a hundred tasks": {"spec.tasks.custom": [OWN_TASK | {"id": f"own-{n}"} for n in range(74)]},
    "only own tasks": {
        "spec.tasks": {"dictionary": "inline", "custom": [OWN_TASK]},
        "spec.transfers.orders": [1],
    },
    "sizes of tasks elsewhere in the paper": {
        "spec.tasks.subset": THREE,
        "spec.transfers.orders": [1],
        "spec.training.transfer.batchSizes": {"egomotion": 4},
    },
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD.keys())
def test_a_good_study_is_read_and_written_without_loss(changes: dict[str, object]) -> None:
    read = study(changes)
    written = read.model_dump(mode="json", by_alias=True)
    assert parse_study(written, origin="again") == read


def test_the_defaults_are_the_papers() -> None:
    spec = study().spec
    taught = {
        kind: (part.length(), part.batch_size, part.learning_rate, part.lr_decay_step)
        for kind, part in (
            ("task-specific", spec.training.task_specific),
            ("scratch", spec.training.scratch),
            ("transfer", spec.training.transfer),
        )
    }
    assert taught == {
        "task-specific": ((None, 30), 32, 1e-4, 80_000),
        "scratch": ((None, 30), 32, 1e-4, 5_000),
        "transfer": ((None, 30), 32, 1e-4, 5_000),
    }
    assert [spec.training.weight_decay("transfer", order) for order in (1, 2, 5)] == [
        1e-5,
        1e-6,
        1e-6,
    ]
    assert spec.training.weight_decay("task-specific", 0) == 2e-6
    assert spec.training.weight_decay("scratch", 0) == 1e-5
    assert spec.batch_sizes["task-specific"] == {"egomotion": 8, "pose-nonfixated": 8}
    assert (spec.model.encoder, spec.model.image_size) == ("resnet50", 256)
    assert spec.data.transfer_fraction == 0.02
    assert (spec.transfers.orders, spec.transfers.candidates) == ((1, 2, 3, 4), "paper")
    assert spec.taxonomy.affinity_exponent == 0.5
    assert study().taxonomy_orders() == (1, 4)


@pytest.mark.parametrize(
    ("given_length", "length"),
    [({}, (None, 30)), ({"epochs": 200}, (None, 200)), ({"steps": 7}, (7, None))],
)
def test_a_training_has_exactly_one_length(
    given_length: dict[str, int], length: tuple[int | None, int | None]
) -> None:
    assert StageTraining.model_validate(given_length).length() == length


@pytest.mark.parametrize(
    ("changes", "orders"),
    [
        ({"spec.transfers.orders": [1]}, (1,)),
        ({"spec.transfers.orders": [1, 3]}, (1, 3)),
        ({"spec.taxonomy.orders": [2]}, (2,)),
    ],
)
def test_the_orders_to_solve_for(changes: dict[str, object], orders: tuple[int, ...]) -> None:
    assert study(changes).taxonomy_orders() == orders


def test_a_study_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        study().spec.transfers.candidates = "beam"  # type: ignore[misc]


def test_asking_for_its_tasks_leaves_a_study_equal_to_itself() -> None:
    asked, fresh = study(), study()
    asked.dictionary()
    assert asked == fresh


# --- who takes part ----------------------------------------------------------------------------


def roles(changes: Mapping[str, object]) -> dict[str, str]:
    return {task.id: task.role for task in study(changes).dictionary()}


def test_the_paper_has_26_sources_and_22_targets() -> None:
    paper = study()
    source_only = {"colorization", "in-painting", "jigsaw", "random"}
    assert [task.id for task in paper.dictionary()] == [task.id for task in paper_dictionary()]
    assert len(paper.sources()) == 26
    assert {t.id for t in paper.sources()} - {t.id for t in paper.targets()} == source_only
    assert len(paper.targets()) == 22


def test_a_subset_keeps_the_dictionarys_order_and_its_roles() -> None:
    changes = {"spec.tasks.subset": ["reshade", "normals", "jigsaw"], "spec.transfers.orders": [1]}
    assert list(roles(changes).items()) == [
        ("jigsaw", "source-only"),
        ("normals", "both"),
        ("reshading", "both"),
    ]


def test_lists_of_roles_beat_the_dictionary() -> None:
    changes: dict[str, object] = {
        "spec.tasks.sourceOnly": ["normals"],
        "spec.tasks.targetOnly": ["depth"],
        "spec.tasks.both": ["jigsaw"],
    }
    found = roles(changes)
    assert (found["normals"], found["depth"]) == ("source-only", "target-only")
    assert (found["jigsaw"], found["colorization"]) == ("both", "source-only")
    assert "depth" not in {task.id for task in study(changes).sources()}


def test_an_unused_task_takes_part_when_a_subset_names_it() -> None:
    own = [
        OWN_TASK | {"id": "one", "role": "unused"},
        OWN_TASK | {"id": "two"},
        OWN_TASK | {"id": "noise", "role": "unused", "loss": "none"},
    ]
    inline: dict[str, object] = {
        "spec.tasks.dictionary": "inline",
        "spec.tasks.custom": own,
        "spec.transfers.orders": [1],
    }
    assert roles(inline) == {"two": "both"}
    assert roles(inline | {"spec.tasks.subset": ["one", "noise"]}) == {
        "one": "both",
        "noise": "source-only",
    }


def test_importance_and_cost_are_one_unless_given_under_any_name() -> None:
    read = study(
        {"spec.tasks.importance": {"rgb2sfnorm": 2}, "spec.tasks.labelCost": {"jigsaw": 0.5}}
    )
    assert {task for task, r in read.importance().items() if r != 1.0} == {"normals"}
    assert read.importance()["normals"] == 2.0
    assert len(read.importance()) == 22
    assert read.label_cost()["jigsaw"] == 0.5
    assert len(read.label_cost()) == 26


# --- tasks files -------------------------------------------------------------------------------

TASKS_FILE = """
[[task]]
id = "{id}"
title = "Heat"
output = {{ kind = "image", channels = 1 }}
loss = "l1"
"""


def from_file(folder: Path, changes: Mapping[str, object]) -> Study:
    file = folder / "study.yaml"
    return parse_study(document(changes), origin=str(file), read_dictionary=dictionary_beside(file))


def test_a_tasks_file_beside_the_study_becomes_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TASKS_FILE.format(id="heat"))
    read = from_file(
        tmp_path,
        {
            "spec.tasks.dictionary": "mine.toml",
            "spec.tasks.custom": [OWN_TASK],
            "spec.transfers.orders": [1],
        },
    )
    assert [task.id for task in read.dictionary()] == ["heat", "night-light"]
    assert read.spec.tasks.dictionary == "inline"
    written = read.model_dump(mode="json", by_alias=True)
    assert parse_study(written, origin="the API server") == read


def test_a_bad_tasks_file_refuses_the_study(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TASKS_FILE.format(id="self"))
    with pytest.raises(StudyRefused, match=r"tasks\.dictionary: .*mine\.toml: .*reserved"):
        from_file(tmp_path, {"spec.tasks.dictionary": "mine.toml"})


def test_a_missing_tasks_file_refuses_the_study(tmp_path: Path) -> None:
    with pytest.raises(StudyRefused, match="No such file"):
        from_file(tmp_path, {"spec.tasks.dictionary": "absent.toml"})


def test_a_tasks_file_elsewhere_needs_a_reader_of_its_own(tmp_path: Path) -> None:
    changes = {"spec.tasks.dictionary": "s3://b/mine.toml", "spec.transfers.orders": [1]}
    with pytest.raises(StudyRefused, match="download it"):
        from_file(tmp_path, changes)
    fetched = TaskDictionary.model_validate({"task": [OWN_TASK]})
    read = parse_study(document(changes), origin="x", read_dictionary=lambda _: fetched)
    assert [task.id for task in read.targets()] == ["night-light"]


def test_names_are_checked_against_the_tasks_file_once_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TASKS_FILE.format(id="heat"))
    with pytest.raises(StudyRefused, match=r"tasks\.subset\[0\]: unknown task 'haet'.*'heat'"):
        from_file(tmp_path, {"spec.tasks.dictionary": "mine.toml", "spec.tasks.subset": ["haet"]})


def test_an_unread_dictionary_has_no_tasks() -> None:
    unread = Study.model_validate(document({"spec.tasks.dictionary": "mine.toml"}))
    with pytest.raises(SettingRefused, match="has not been read"):
        unread.dictionary()


# --- how many transfers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "order", "pool"),
    [
        (Transfers(), 1, 30),
        (Transfers(), 2, 5),
        (Transfers(), 3, 5),
        (Transfers(), 4, 6),
        (Transfers(), 5, 5),
        (Transfers(), 9, 9),
        (Transfers(candidates="beam", beam_width=7), 1, 30),
        (Transfers(candidates="beam", beam_width=7), 2, 7),
        (Transfers(candidates="beam", beam_width=7), 8, 8),
        (Transfers(candidates="exhaustive"), 3, 30),
    ],
)
def test_how_many_of_the_best_sources_are_combined(
    policy: Transfers, order: int, pool: int
) -> None:
    assert policy.pool(order, available=30) == pool
    assert policy.pool(order, available=2) == 2


@given(
    own=st.sampled_from(["first-order", "every-order", "never"]),
    order=st.integers(1, 3),
    names=st.lists(
        st.sampled_from([task.id for task in paper_dictionary()]), min_size=5, unique=True
    ),
)
def test_transfers_are_counted_as_combinations_are(own: str, order: int, names: list[str]) -> None:
    orders = list(range(1, order + 1))
    changes = {
        "spec.tasks.subset": [*names, "depth"] if "depth" not in names else names,
        "spec.transfers": {"orders": orders, "candidates": "exhaustive", "ownEncoder": own},
    }
    read = study(changes)
    expected = sum(
        1
        for target in read.targets()
        for sources in combinations([task.id for task in read.sources()], order)
        if target.id not in sources or own == "every-order" or (own == "first-order" and order == 1)
    )
    assert read.spec.transfers_of_order(order) == expected


# --- what the custom resource is made from -----------------------------------------------------


def schema_nodes(node: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every property of a JSON schema with its place."""
    for name, part in node.get("$defs", {}).items():
        yield from schema_nodes(part, name)
    for name, part in node.get("properties", {}).items():
        yield f"{place}.{name}", part


SCHEMA = Study.model_json_schema(by_alias=True)
PROPERTIES = dict(schema_nodes(SCHEMA))


def description(field: Mapping[str, str]) -> str:
    """Return a field's own description or, where it says the same, that of its part."""
    part = SCHEMA["$defs"].get(field.get("$ref", "").removeprefix("#/$defs/"), {})
    return field.get("description") or part.get("description", "")


def test_the_schema_knows_every_part() -> None:
    assert {"StudySpec.gpuHours", "Nodes.min", "Task.id", "Metadata.name"} <= set(PROPERTIES)


@pytest.mark.parametrize("place", PROPERTIES)
def test_every_field_says_what_it_is_in_a_structural_schema(place: str) -> None:
    field = PROPERTIES[place]
    assert len(description(field)) > 10
    kinds = [part for part in field.get("anyOf", [field]) if part.get("type") != "null"]
    (kind,) = kinds  # absent or one type: a structural schema has no unions
    assert "prefixItems" not in kind
    assert "propertyNames" not in kind
    if kind.get("type") == "string" and not {"enum", "const"} & set(kind):
        assert kind.get("maxLength") or kind.get("pattern")
    if kind.get("type") == "array":
        assert kind["maxItems"] <= 100
    if kind.get("type") == "object" and "additionalProperties" in kind:
        assert kind["maxProperties"] <= 100


def test_every_pattern_is_said_in_words_and_has_no_look_ahead() -> None:
    used = {
        part["pattern"]
        for field in PROPERTIES.values()
        for part in (field, field.get("items", {}), *field.get("anyOf", []))
        if "pattern" in part
    }
    assert used == set(MEANINGS)
    assert not [pattern for pattern in used if "(?" in pattern]


def test_every_default_passes_its_own_rules() -> None:
    for name, field in StudySpec.model_fields.items():
        default = field.default
        if isinstance(default, BaseModel):
            written = default.model_dump(mode="json", by_alias=True)
            assert type(default).model_validate(written) == default, name
