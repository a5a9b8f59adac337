"""docs/scale-out.md as its reader follows it: commands, Secret and Job, with names put in."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from kube import Object

TEXT = (Path(__file__).parents[2] / "docs" / "scale-out.md").read_text(encoding="utf-8")
BUCKET = "results"
"""What the page calls the bucket."""


@dataclass(frozen=True)
class Follower:
    """A reader with a study of their own; everything else stays as it is printed."""

    study: str
    targets: int
    image: str

    def commands(self) -> list[list[str]]:
        """Return the words of each `taskonomyctl load`, in order."""
        found = re.findall(r"^ +taskonomyctl (load (?:.*\\\n)*.*)$", self._own(TEXT), re.MULTILINE)
        return [shlex.split(each.replace("\\\n", " ")) for each in found]

    def secret(self, namespace: str, variables: Mapping[str, str]) -> Object:
        """Return the Secret that the page's `kubectl create secret` makes."""
        (made,) = re.findall(r"^ +kubectl create (secret (?:.*\\\n)*.*)$", TEXT, re.MULTILINE)
        _, _, name, *literals = shlex.split(made.replace("\\\n", " "))
        keys = [each.removeprefix("--from-literal=").partition("=")[0] for each in literals]
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"namespace": namespace, "name": name},
            "stringData": {key: variables[key] for key in keys},
        }

    def job(self, namespace: str) -> Object:
        """Return the Indexed Job."""
        (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
        job: Object = yaml.safe_load(self._own(block))
        job["metadata"]["namespace"] = namespace
        return job

    def _own(self, text: str) -> str:
        """Put the study's name, how many targets it has and the image into a text."""
        text = re.sub(r"\brooms\b", self.study, text)
        text = re.sub(r"(?<=completions: )\d+", str(self.targets), text)
        return re.sub(r"taskonomy/warehouse:[\w.]+", self.image, text)
