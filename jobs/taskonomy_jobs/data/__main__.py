"""Look at a data set, from the command line.

python -m taskonomy_jobs.data check ROOT [--splits NAME] [--layout L] [--deep] [--output json]
python -m taskonomy_jobs.data browse ROOT --out sheet.png [--building B] [--point P] [--view V]
python -m taskonomy_jobs.data ready ROOT < TRIALS
"""

import argparse
import json
import sys
from pathlib import Path

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.launch import parse_trials
from taskonomy_catalogue.tasks import TaskDictionary, load_dictionary, paper_dictionary

DAMAGED = 5
"""Exit code of a check that found something damaged."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _options(arguments)
    try:
        return int(options.run(options))
    except TaskonomyError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("Error: interrupted\n")
        return 130


def _check(options: argparse.Namespace) -> int:
    from taskonomy_jobs.data.check import checked
    from taskonomy_jobs.data.check_table import table

    report = checked(
        options.root, options.layout, _dictionary(options), splits=options.splits, deep=options.deep
    )
    is_json = options.output == "json"
    text = json.dumps(report.to_dict(), indent=2) + "\n" if is_json else table(report)
    sys.stdout.write(text)
    return DAMAGED if report.damaged else 0


def _ready(options: argparse.Namespace) -> int:
    from taskonomy_jobs.data.ready import check_ready

    check_ready(options.root, parse_trials(sys.stdin.buffer.read(), "standard input"))
    return 0


def _dictionary(options: argparse.Namespace) -> TaskDictionary:
    return load_dictionary(options.tasks) if options.tasks else paper_dictionary()


def _browse(options: argparse.Namespace) -> int:
    from taskonomy_jobs.data.browse import contact_sheet

    name = contact_sheet(
        options.root,
        options.layout,
        _dictionary(options),
        options.out,
        building=options.building,
        point=options.point,
        view=options.view,
    )
    sys.stderr.write(f"{name}: {options.out}\n")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m taskonomy_jobs.data", description=__doc__)
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser("check", help="what labels there are, and what is damaged")
    check.add_argument("--splits", help="a split's name or file; without it, every building")
    check.add_argument("--deep", action="store_true", help="decode every file")
    check.add_argument("--output", choices=("table", "json"), default="table")
    check.set_defaults(run=_check)
    browse = commands.add_parser("browse", help="a contact sheet of all labels of one image")
    browse.add_argument("--out", type=Path, required=True, help="PNG to write")
    browse.add_argument("--building")
    browse.add_argument("--point", type=int)
    browse.add_argument("--view", type=int)
    browse.set_defaults(run=_browse)
    ready = commands.add_parser("ready", help="whether trials can learn from it; trials on stdin")
    ready.set_defaults(run=_ready)
    for command in (check, browse, ready):
        command.add_argument("root", help="the data set's folder")
    for command in (check, browse):
        command.add_argument("--layout", choices=("taskonomy", "omnidata"), default="taskonomy")
        command.add_argument("--tasks", type=Path, help="your own task dictionary (TOML)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
