"""The custom resource definition, looked at without a server; `tests/cluster` asks a real one."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from pydantic import BaseModel

from taskonomy_catalogue.study import StudySpec
from taskonomy_catalogue.study_parts import MEANINGS
from taskonomy_operator.crd import study_crd
from taskonomy_operator.crd_rules import ROOT_RULES, SPEC_RULES
from taskonomy_operator.crd_schema import structural_schema
from taskonomy_operator.study_status import MAX_FAILURES, StudyStatus
from taskonomyctl.main import cli

CRD = study_crd()
(VERSION,) = CRD["spec"]["versions"]
ROOT = VERSION["schema"]["openAPIV3Schema"]


def nodes(schema: dict[str, Any], place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield place, schema
    for name, part in schema.get("properties", {}).items():
        yield from nodes(part, f"{place}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{place}[]")


NODES = dict(nodes(ROOT))


def test_the_schema_is_structural() -> None:
    forbidden = {"$ref", "anyOf", "allOf", "oneOf", "definitions", "title", "const", "pattern"}
    for place, schema in NODES.items():
        assert "type" in schema, place
        assert not forbidden & schema.keys(), place


@pytest.mark.parametrize("place", [p for p in NODES if p.startswith((".spec", ".status"))])
def test_every_field_says_what_it_is(place: str) -> None:
    if not place.endswith("[]"):
        assert len(NODES[place].get("description", "")) > 10


@pytest.mark.parametrize("place", [p for p in NODES if p.startswith(".spec")])
def test_costs_are_bounded(place: str) -> None:
    schema = NODES[place]
    if schema["type"] == "string":
        assert "maxLength" in schema or "enum" in schema
    if schema["type"] == "array":
        assert "maxItems" in schema
    if "additionalProperties" in schema:
        assert "maxProperties" in schema


def test_every_part_that_has_rules_has_them_here() -> None:
    def parts(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
        yield model
        for field in model.model_fields.values():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                yield from parts(field.annotation)

    own = {part.__name__ for part in parts(StudySpec) if "rules" in vars(part)}
    assert own <= SPEC_RULES.keys()


def test_defaults_are_the_specs() -> None:
    spec = ROOT["properties"]["spec"]["properties"]
    assert spec["parallelism"]["default"] == StudySpec.model_fields["parallelism"].default
    training = spec["training"]["properties"]
    assert training["taskSpecific"]["properties"]["lrDecayStep"]["default"] == 80_000
    assert training["transfer"]["properties"]["lrDecayStep"]["default"] == 5_000
    assert "default" not in spec["gpuHours"]


def test_rules_point_at_fields_that_exist() -> None:
    for place, schema in NODES.items():
        for rule in schema.get("x-kubernetes-validations", []):
            assert f"{place}{rule.get('fieldPath', '')}" in NODES, rule


def test_patterns_are_said_in_words() -> None:
    messages = {
        rule["message"]
        for schema in NODES.values()
        for rule in schema.get("x-kubernetes-validations", [])
    }
    used = [meaning for meaning in MEANINGS.values() if f"is not {meaning}" in messages]
    assert len(used) >= len(set(MEANINGS.values())) - 1  # the name's is a rule of the root


def test_messages_end_with_the_way_out() -> None:
    for rule in (*ROOT_RULES, *(rule for rules in SPEC_RULES.values() for rule in rules)):
        assert len(rule.message) > 20
        assert not rule.message.endswith(".")


def test_a_union_is_refused_rather_than_guessed() -> None:
    class Two(BaseModel):
        field: int | str

    with pytest.raises(TypeError, match="no unions"):
        structural_schema(Two, {})


def test_the_largest_status_is_small() -> None:
    failures = [
        {
            "trial": "f" * 64,
            "title": "t" * 256,
            "reason": "RetriesUsed",
            "exitCode": 1,
            "message": "m" * 256,
        }
    ] * MAX_FAILURES
    every_other = ",".join(str(index) for index in range(0, 5_000, 2))
    stages = [
        {"name": name, "doneIndexes": every_other if name == "higher-order" else "0-9999"}
        for name in ("task-specific", "scratch", "best-guess", "first-order", "higher-order")
    ]
    status = StudyStatus.model_validate({"stages": stages, "failures": failures})
    written = status.model_dump_json(by_alias=True, exclude_none=True)
    assert len(written) < 40 * 1024


@pytest.mark.parametrize("output", ["yaml", "json"])
def test_taskonomyctl_prints_it(output: str) -> None:
    said = CliRunner().invoke(cli, ["crd", "--output", output])
    assert said.exit_code == 0
    read = json.loads(said.output) if output == "json" else yaml.safe_load(said.output)
    assert read == CRD
