"""How a document that breaks its spec is told so: every problem, by its field, with the way out.

`SpecModel` is what the parts of a spec are made of; each yields the cross-field rules it breaks
from `rules()`. `problems` turns what pydantic says into sentences that name a field as the file
writes it (``spec.training.transfer.batchSize``), and `StudyRefused` carries them all at once.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from taskonomy_catalogue.errors import InputRefused, did_you_mean


class Problem(NamedTuple):
    """One thing that is wrong with a document."""

    field: str
    """Its path as the file writes it, e.g. ``spec.tasks.subset[2]``; empty: the whole document."""
    message: str
    """What is wrong and what to write instead."""

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class StudyRefused(InputRefused):
    """A study was read and refused whole; `problems` lists everything that is wrong with it."""

    def __init__(self, origin: str, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(origin, f"the study was refused, {count}:{lines}")


class SpecModel(BaseModel):
    """A part of a spec: camelCase in the file, frozen, without unknown fields.

    Scalars are strict, as the API server is: what a laptop accepts, the cluster accepts too.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        ignored_types=(cached_property,),
    )

    def rules(self) -> Iterator[Problem]:
        """Yield every cross-field rule this part breaks, fields named from this part down."""
        yield from ()

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        broken = tuple(self.rules())
        if broken:  # pydantic would stop at the first ValueError; the context carries them all
            said = "; ".join(map(str, broken))
            raise PydanticCustomError("broken_rules", "{said}", {"said": said, "problems": broken})
        return self


def problems(
    error: ValidationError, model: type[BaseModel], meanings: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield what a validation error says, one problem per fault.

    Args:
        error: what validating a document against `model` raised.
        model: the class the document was validated against; its fields are what is suggested.
        meanings: what each regular expression of the spec stands for, in words.
    """
    details = error.errors(include_url=False)
    blamed = {detail["loc"][:-1] for detail in details}
    for detail in details:
        place = _path(detail["loc"])
        if detail["type"] == "too_short" and detail["loc"] in blamed:
            continue  # the list is only short of the entries that are refused themselves
        if detail["type"] == "broken_rules":
            for rule in detail["ctx"]["problems"]:
                yield Problem(_joined(place, rule.field), rule.message)
        else:
            yield Problem(place, _said(detail, model, meanings))


def _said(detail: ErrorDetails, model: type[BaseModel], meanings: Mapping[str, str]) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return "is required; add it"
    if kind == "extra_forbidden":
        return _unknown_field(detail["loc"], model)
    if value is None:
        return "is empty; write a value or leave the line out"
    if kind == "literal_error":
        return _not_a_choice(value, context["expected"])
    if kind == "string_pattern_mismatch":
        return f"{_shown(value)} is not {meanings[context['pattern']]}"
    if kind == "too_long":
        return f"has {context['actual_length']} entries; it holds at most {context['max_length']}"
    if kind == "too_short":
        return "is an empty list; write at least one entry"
    if kind in _WANTED:
        return _wrong_type(kind, value)
    return f"{_shown(value)} is refused: {_bare(detail['msg'])}"


def _unknown_field(place: tuple[int | str, ...], model: type[BaseModel]) -> str:
    known = _fields_at(model, place[:-1])
    hint = did_you_mean(str(place[-1]), known) or f"; the fields here are {', '.join(known)}"
    return f"unknown field{hint}"


def _not_a_choice(value: object, expected: str) -> str:
    choices = expected.replace("'", "").replace(" or ", ", ").split(", ")
    hint = did_you_mean(value, choices) if isinstance(value, str) else ""
    return f"{_shown(value)} is not one of {', '.join(choices)}{hint}"


_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of fields",
}
"""What a field of each kind wants, by the name pydantic gives to its absence."""


def _wrong_type(kind: str, value: object) -> str:
    wanted = _WANTED[kind]
    if kind == "string_type" and isinstance(value, int | float):
        return f'{_shown(value)} is not {wanted}; put it in quotes: "{value}"'
    is_number = isinstance(value, str) and _reads_as_number(value)
    if kind == "float_type" and is_number:
        # YAML 1.1 takes 1e-4 for text: the commonest slip in a learning rate
        return f"{_shown(value)} is text; write it without quotes and with a point, as in 1.0e-4"
    if kind == "int_type" and is_number and not str(value).strip().lstrip("+-").isdigit():
        return f"{_shown(value)} is not {wanted}; write all its digits, as in 20000"
    if kind == "int_type" and is_number:
        return f"{_shown(value)} is text; write it as a whole number without quotes"
    return f"{_shown(value)} is not {wanted}"


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _fields_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Return the fields, as the file writes them, of the part of `model` that is at a place."""
    for step in place:
        if isinstance(step, str):
            named = {field.alias or name: field for name, field in model.model_fields.items()}
            model = _model_within(named[step].annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_within(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_within, get_args(annotation))), None)


def _path(place: tuple[int | str, ...]) -> str:
    path = ""
    for step in place:
        path = f"{path}[{step}]" if isinstance(step, int) else _joined(path, step)
    return path.replace(".[key]", "")


def _joined(place: str, field: str) -> str:
    return ".".join(filter(None, (place, field)))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _bare(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should be", "it must be")
