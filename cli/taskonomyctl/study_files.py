"""A study file, YAML or JSON, read into a checked Study."""

from pathlib import Path

import yaml

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.study import Study, dictionary_beside, parse_study


def read_study(path: Path) -> Study:
    """Return the study that a file describes; a tasks file it names is read beside it.

    Raises:
        InputRefused: the file is unreadable, is no YAML, or the study is refused (`StudyRefused`).
    """
    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise InputRefused(path, f"cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise InputRefused(path, f"not valid YAML: {error.problem}", line=line) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputRefused(path, f"not valid YAML: {error}") from error
    return parse_study(document, origin=str(path), read_dictionary=dictionary_beside(path))
