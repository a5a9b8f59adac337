"""The Study spec: what is accepted and with which defaults, what is refused and in which words."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from study_cases import (
    BAD,
    BETWEEN_FIELDS,
    GOOD,
    OF_ONE_FIELD,
    OF_THE_DICTIONARY,
    OWN_TASK,
    Bad,
    document,
)

from taskonomy_catalogue.errors import InputRefused, SettingRefused
from taskonomy_catalogue.refusals import Problem, StudyRefused
from taskonomy_catalogue.study import Study, StudySpec, dictionary_beside, parse_study
from taskonomy_catalogue.study_parts import MEANINGS, Transfers
from taskonomy_catalogue.study_training import StageTraining
from taskonomy_catalogue.tasks import TaskDictionary, paper_dictionary


def study(changes: Mapping[str, object] | None = None) -> Study:
    return parse_study(document(changes), origin="study.yaml")


def problems(content: object) -> tuple[Problem, ...]:
    with pytest.raises(StudyRefused) as refused:
        parse_study(content, origin="study.yaml")  # type: ignore[arg-type]
    return refused.value.problems


# --- what is refused ---------------------------------------------------------------------------


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
