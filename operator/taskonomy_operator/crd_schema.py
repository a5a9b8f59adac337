"""From a pydantic model to the structural schema of a custom resource.

`structural_schema` turns what pydantic says of a model into what Kubernetes calls structural: no
references, no unions, OpenAPI's spelling of bounds. Descriptions come from the fields' docstrings
and defaults from the fields, so that both are written once, in the catalogue.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from taskonomy_catalogue.tasks import TASK_ID_PATTERN
from taskonomy_operator.crd_rules import Rule, pattern_rule

_MAX_LENGTHS = {TASK_ID_PATTERN: 40}
"""Lengths that a pattern implies; CEL's cost is reckoned from ``maxLength`` alone."""

_COPIED = (
    "type",
    "enum",
    "minimum",
    "maximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "format",
)
"""What JSON Schema and a structural schema spell alike."""


def structural_schema(
    model: type[BaseModel], rules: Mapping[str, tuple[Rule, ...]]
) -> dict[str, Any]:
    """Return the structural schema of a model.

    Args:
        model: the class; its fields are simple, bounded types.
        rules: rules between fields, by the name of the class they belong to.
    """
    schema = model.model_json_schema(by_alias=True)
    parts = schema.pop("$defs", {})
    return _object(schema, model.__name__, parts, rules)


def _node(
    field: Mapping[str, Any], parts: Mapping[str, Any], rules: Mapping[str, tuple[Rule, ...]]
) -> dict[str, Any]:
    """Return the schema of one field, list item or map value."""
    kind = _without_null(field)
    if "$ref" in kind:
        name = kind["$ref"].rpartition("/")[2]
        built = _object(parts[name], name, parts, rules)
    else:
        built = _plain(kind, parts, rules)
    if "description" in field:
        built["description"] = _prose(field["description"])
    if field.get("default") is not None:
        built["default"] = _without_nulls(field["default"])
    return built


def _object(
    part: Mapping[str, Any],
    name: str,
    parts: Mapping[str, Any],
    rules: Mapping[str, tuple[Rule, ...]],
) -> dict[str, Any]:
    built: dict[str, Any] = {"type": "object"}
    if "description" in part:
        built["description"] = _prose(part["description"])
    fields = part.get("properties", {})
    built["properties"] = {key: _node(field, parts, rules) for key, field in fields.items()}
    if part.get("required"):
        built["required"] = list(part["required"])
    if name in rules:
        built["x-kubernetes-validations"] = [rule.schema() for rule in rules[name]]
    return built


def _plain(
    kind: Mapping[str, Any], parts: Mapping[str, Any], rules: Mapping[str, tuple[Rule, ...]]
) -> dict[str, Any]:
    built = {key: kind[key] for key in _COPIED if key in kind}
    if "const" in kind:
        built["enum"] = [kind["const"]]
    if "exclusiveMinimum" in kind:
        built |= {"minimum": kind["exclusiveMinimum"], "exclusiveMinimum": True}
    if kind.get("type") == "integer":
        built["format"] = "int64"
    if "pattern" in kind:
        if kind["pattern"] in _MAX_LENGTHS:
            built["maxLength"] = _MAX_LENGTHS[kind["pattern"]]
        built["x-kubernetes-validations"] = [pattern_rule(kind["pattern"]).schema()]
    if "items" in kind:
        built["items"] = _node(kind["items"], parts, rules)
    if isinstance(kind.get("additionalProperties"), Mapping):
        built["additionalProperties"] = _node(kind["additionalProperties"], parts, rules)
    return built


def _without_null(field: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the one type a field has when it is given: absent is how a resource says null."""
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    if len(kinds) != 1:
        raise TypeError(f"a structural schema has no unions: {field}")
    return kinds[0]  # type: ignore[no-any-return]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _prose(docstring: str) -> str:
    """Return a docstring with the line breaks of its source taken out, paragraphs kept."""
    return "\n".join(" ".join(paragraph.split()) for paragraph in docstring.split("\n\n"))
