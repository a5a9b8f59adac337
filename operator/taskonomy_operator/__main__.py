"""The operator as a command: ``python -m taskonomy_operator``; ``--help`` lists its flags."""

import signal
import sys
import threading
from collections.abc import Sequence

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_operator.cluster import connect
from taskonomy_operator.controller import Controller
from taskonomy_operator.installation import read_installation
from taskonomy_operator.settings import read_settings
from taskonomy_operator.structured_logs import set_up


def main(words: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; return the exit code."""
    try:
        settings = read_settings(words)
        set_up(settings.log_level, settings.log_format)
        installation = read_installation(settings.installation)
        cluster = connect(
            kubeconfig=settings.kubeconfig,
            context=settings.context,
            qps=settings.qps,
            burst=settings.burst,
        )
        controller = Controller(cluster, settings, installation)
    except TaskonomyError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - it is a command
        return error.exit_code
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return controller.run(stop)


if __name__ == "__main__":
    sys.exit(main())
