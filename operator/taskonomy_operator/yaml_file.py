"""A YAML file, or JSON, read strictly: what a person wrote twice, or not at all, is said.

YAML forbids a key that stands in a mapping twice; PyYAML keeps the last without a word, so that the
second of two `training:` blocks in a merged file would remove the first.
"""

from pathlib import Path
from typing import Any

import yaml

from taskonomy_catalogue.errors import InputRefused


def read_yaml(path: Path) -> Any:
    """Return the one document of a file.

    Raises:
        InputRefused: the file cannot be read, is empty, is not UTF-8 or not YAML, or a mapping
            holds a key twice; the message names the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputRefused(path, f"cannot be read: {error.strerror}") from error
    try:
        document = yaml.load(content, _StrictLoader)  # noqa: S506 - a SafeLoader, and stricter
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise InputRefused(path, f"not valid YAML: {error.problem}", line=line) from error
    except UnicodeDecodeError as error:
        raise _not_utf8(path, content, error.start) from error
    except yaml.reader.ReaderError as error:
        if error.encoding == "unicode":  # it was decoded: a control character stands in it
            raise InputRefused(path, f"not valid YAML: {error.reason}") from error
        raise _not_utf8(path, content, error.position) from error
    except yaml.YAMLError as error:
        raise InputRefused(path, f"not valid YAML: {error}") from error
    if document is None:
        raise InputRefused(path, "the file is empty")
    return document


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's own safe loader, which refuses a mapping that holds a key twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Return the mapping as it is written, before `<<` brings in other mappings' keys."""
        node = super().compose_mapping_node(anchor)
        first: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in first:
                    problem = f"{key.value!r} is given twice, first in line {first[key.value]}"
                    raise yaml.MarkedYAMLError(
                        problem=f"{problem}; keep one of the two", problem_mark=key.start_mark
                    )
                first[key.value] = line
        return node


def _not_utf8(path: Path, content: bytes, position: int) -> InputRefused:
    line = content.count(b"\n", 0, position) + 1
    return InputRefused(path, "not UTF-8 text; save the file as UTF-8", line=line)
