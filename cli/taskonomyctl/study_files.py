"""A study file, YAML or JSON, read into a checked Study."""

from pathlib import Path

from taskonomy_catalogue.study import Study, dictionary_beside, parse_study
from taskonomy_operator.yaml_file import read_yaml


def read_study(path: Path) -> Study:
    """Return the study that a file describes; a tasks file it names is read beside it.

    Raises:
        InputRefused: the file is unreadable, is no YAML, gives a key twice, or the study is
            refused (`StudyRefused`).
    """
    document = read_yaml(path)
    return parse_study(document, origin=str(path), read_dictionary=dictionary_beside(path))
