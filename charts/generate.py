"""Make what of the chart follows from something else, or say what no longer does.

    python charts/generate.py            # write
    python charts/generate.py --check    # exit 1 if a file is not what it would be

`values.yaml` is the source of `values.schema.json` and of the tables in `README.md`, the typed
spec that of `files/crd.yaml`, the operator's table of rights that of `files/rights.yaml`,
`icon.svg` that of the icon in `Chart.yaml`.

In `values.yaml` a key's comment begins with ``# --`` and goes on over the lines below it; a line
``# @schema WORDS`` narrows its type: a name from `TYPES`, or a flow mapping of JSON Schema. Maps
are closed at every level, so that a misspelt key is refused.
"""

import base64
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path[:0] = [str(Path(__file__).parents[1] / part) for part in ("catalogue", "operator")]
from taskonomy_operator.crd import study_crd  # noqa: E402 - found by the line above
from taskonomy_operator.rights import role_rules  # noqa: E402

CHART = Path(__file__).parent / "taskonomy"

Schema = dict[str, Any]


def _closed(*required: str, **properties: Schema) -> Schema:
    shape: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return shape | ({"required": list(required)} if required else {})


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_TEXT: Schema = {"type": "string"}
_NAME: Schema = {"type": "string", "minLength": 1}
_SIZE: Schema = {"type": ["string", "number"]}
_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": ["string"]}}
_THING: Schema = {"type": "object"}
_TOLERATION = _closed(
    key=_TEXT,
    operator={"enum": ["Equal", "Exists"]},
    value=_TEXT,
    effect={"enum": ["", "NoSchedule", "PreferNoSchedule", "NoExecute"]},
    tolerationSeconds={"type": "integer"},
)
_MOUNT_TOLERATION = _closed(
    **{k: v for k, v in _TOLERATION["properties"].items() if k != "tolerationSeconds"}
)

TYPES: dict[str, Schema] = {
    "texts": _TEXTS,
    "names": _list(_NAME),
    "secrets": _list({"anyOf": [_NAME, _closed("name", name=_NAME)]}),
    "words": _list(_TEXT),
    "size": _SIZE,
    "tolerations": _list(_TOLERATION),
    "resources": _closed(
        requests={"type": "object", "additionalProperties": _SIZE},
        limits={"type": "object", "additionalProperties": _SIZE},
        claims=_list(_THING),
    ),
    "affinity": _closed(nodeAffinity=_THING, podAffinity=_THING, podAntiAffinity=_THING),
    "spread": _list(
        _closed(
            maxSkew={"type": "integer", "minimum": 1},
            topologyKey=_NAME,
            whenUnsatisfiable={"enum": ["DoNotSchedule", "ScheduleAnyway"]},
            labelSelector=_THING,
            minDomains={"type": "integer"},
            matchLabelKeys=_list(_TEXT),
            nodeAffinityPolicy=_TEXT,
            nodeTaintsPolicy=_TEXT,
        )
    ),
    "env": _list(_closed("name", name=_NAME, value=_TEXT, valueFrom=_THING)),
    "envFrom": _list(_closed(prefix=_TEXT, secretRef=_THING, configMapRef=_THING)),
    "volumes": _list({"type": "object", "required": ["name"]}),
    "volumeMounts": _list({"type": "object", "required": ["name", "mountPath"]}),
    "aliases": _list(_closed("ip", ip=_NAME, hostnames=_list(_NAME))),
    "dns": _closed(nameservers=_list(_TEXT), searches=_list(_TEXT), options=_list(_THING)),
    "accessModes": _list(
        {"enum": ["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany", "ReadOnlyMany"]}
    ),
    "rules": _list(_THING),
    "objects": _list({"type": ["object", "string"]}),
    "profiles": {
        "type": "object",
        "additionalProperties": _closed(
            nodeSelector=_TEXTS,
            tolerations=_list(_MOUNT_TOLERATION),
            gpuResource=_NAME,
            runtimeClass=_TEXT,
        )
        | {"type": ["object", "null"]},
        "propertyNames": {"pattern": "^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"},
    },
    "mounts": _list(
        _closed(
            "name",
            "path",
            name={"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 50},
            claim=_TEXT,
            hostPath=_TEXT,
            path={"type": "string", "pattern": "^/"},
            subPath=_TEXT,
            readOnly={"type": "boolean"},
        )
    ),
    "ingressTls": _list(_closed(secretName=_TEXT, hosts=_list(_TEXT))),
    "securityContext": _THING,
    "strategy": _closed(type={"enum": ["RollingUpdate", "Recreate"]}, rollingUpdate=_THING),
    "anything": {},
}
"""Types that a default alone does not tell. What is closed here is ours to name; fields inside a
Kubernetes object that is passed through are checked by the API server."""

# --- reading values.yaml -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Value:
    """A key of values.yaml: where it is, what it is by default, what its comment says."""

    path: tuple[str, ...]
    default: Any
    words: str
    narrowed: Schema
    children: tuple["Value", ...]

    def schema(self) -> Schema:
        """Return its JSON Schema, closed if it is a map of ours."""
        said = {"description": self.words} if self.words else {}
        if self.children:
            properties = {child.path[-1]: child.schema() for child in self.children}
            return said | _closed(**properties)
        return said | (self.narrowed or {"type": _type_of(self.default)})

    def leaves(self) -> Iterator["Value"]:
        """Yield what can be set below it, itself if nothing is."""
        for child in self.children:
            yield from child.leaves()
        if not self.children:
            yield self


def read_values(text: str) -> tuple[Value, ...]:
    """Return the keys of values.yaml with their comments.

    Raises:
        SystemExit: a key lacks its comment, or a type its default does not tell.
    """
    return _children(yaml.compose(text, yaml.SafeLoader), (), text.splitlines())


def _children(node: Any, path: tuple[str, ...], lines: list[str]) -> tuple[Value, ...]:
    return tuple(_value(key, value, path, lines) for key, value in node.value)


def _value(key: yaml.Node, node: yaml.Node, above: tuple[str, ...], lines: list[str]) -> Value:
    path = (*above, str(key.value))
    words, given = _comment(lines, key.start_mark.line)
    narrowed = _narrowed(given, path)
    default = yaml.safe_load(yaml.serialize(node, Dumper=yaml.SafeDumper))
    is_ours = isinstance(node, yaml.MappingNode) and node.value and not narrowed
    children = _children(node, path, lines) if is_ours else ()
    if not children and not narrowed and (default is None or isinstance(default, dict | list)):
        sys.exit(f"values.yaml: {'.'.join(path)} needs a line `# @schema TYPE`")
    if not words and not children:
        sys.exit(f"values.yaml: {'.'.join(path)} needs a comment that begins with `# --`")
    return Value(path, default, words, narrowed, children)


def _comment(lines: list[str], at: int) -> tuple[str, str]:
    """Return the words and the type in the comment above a line."""
    block: list[str] = []
    while at and lines[at - 1].lstrip().startswith("#"):
        at -= 1
        block.insert(0, lines[at].strip().removeprefix("#").strip())
    given = " ".join(line.removeprefix("@schema ") for line in block if line.startswith("@schema "))
    starts = [number for number, line in enumerate(block) if line.startswith("-- ")]
    if not starts:
        return "", given
    words = [line for line in block[starts[-1] :] if line and not line.startswith("@schema ")]
    return " ".join(words).removeprefix("-- "), given


def _narrowed(given: str, path: tuple[str, ...]) -> Schema:
    if not given:
        return {}
    if given in TYPES:
        return {"$ref": f"#/definitions/{given}"} if TYPES[given] else {}
    read = yaml.safe_load(given)
    if not isinstance(read, dict):
        sys.exit(f"values.yaml: {'.'.join(path)}: there is no type {given!r}")
    return read


def _type_of(default: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return kinds[type(default)]


# --- what is made of it ------------------------------------------------------------------------


def schema(values: tuple[Value, ...]) -> str:
    """Return values.schema.json."""
    made = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the taskonomy chart",
        "definitions": {name: shape for name, shape in TYPES.items() if shape},
        **_closed(**{value.path[0]: value.schema() for value in values}),
    }
    made["properties"]["global"] = {
        "type": "object",
        "description": "Values a parent chart shares with all its charts; none is read here.",
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def table(values: tuple[Value, ...]) -> str:
    """Return the README's tables of values, one for each part."""
    alone = [value for value in values if not value.children]
    parts = [
        _rows(f"`{value.path[0]}`", value.words, list(value.leaves()))
        for value in values
        if value.children
    ]
    return "\n".join([_rows("General", "", alone), *parts])


def _rows(title: str, words: str, values: list[Value]) -> str:
    lines = [f"### {title}", ""] + ([words, ""] if words else [])
    lines += ["| value | default | what it is |", "|---|---|---|"]
    for value in values:
        default = json.dumps(value.default, ensure_ascii=False).replace("|", "\\|")
        words = value.words.replace("|", "\\|")
        lines.append(f"| `{'.'.join(value.path)}` | `{default}` | {words} |")
    return "\n".join(lines) + "\n"


BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"


def readme(text: str, values: tuple[Value, ...]) -> str:
    """Return the README with its tables made anew; the words around them are left."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(values)}\n{END}{after}"


def definition() -> str:
    """Return the custom resource definition exactly as `taskonomyctl crd` prints it."""
    return yaml.safe_dump(study_crd(), sort_keys=False, allow_unicode=True, width=100)


def rights() -> str:
    """Return the rules of the operator's Roles: where Studies are, and where the lease is."""
    rules = {scope: role_rules(scope) for scope in ("namespace", "lease")}
    return "# Made from taskonomy_operator/rights.py by charts/generate.py.\n" + yaml.safe_dump(
        rules, sort_keys=False, default_flow_style=None
    )


def described(text: str) -> str:
    """Return Chart.yaml with the icon in it: what shows a chart fetches nothing from anywhere."""
    icon = base64.b64encode((CHART / "icon.svg").read_bytes()).decode()
    return re.sub(r"(?m)^icon: .*$", f"icon: data:image/svg+xml;base64,{icon}", text)


def made() -> dict[Path, str]:
    """Return every file that follows from another, and what it holds."""
    values = read_values((CHART / "values.yaml").read_text(encoding="utf-8"))
    page, card = CHART / "README.md", CHART / "Chart.yaml"
    return {
        card: described(card.read_text(encoding="utf-8")),
        CHART / "values.schema.json": schema(values),
        CHART / "files" / "crd.yaml": definition(),
        CHART / "files" / "rights.yaml": rights(),
        page: readme(page.read_text(encoding="utf-8"), values),
    }


def main(words: list[str]) -> int:
    """Write the files, or with ``--check`` name those that would change."""
    differ = [
        path
        for path, text in made().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if words == ["--check"]:
        for path in differ:
            sys.stderr.write(f"{path.relative_to(CHART.parent)}: run python charts/generate.py\n")
        return int(bool(differ))
    for path in differ:
        path.write_text(made()[path], encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(CHART.parent)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
