"""Work in forked processes that end with the one that started them, however that one ends.

Each has a share of its own, so that there is no queue on which an orphan could wait for ever: what
a process reports goes through a pipe, and when nobody listens any more, writing to it fails.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait

Share = Callable[[], Iterator[int]]
"""The work of one process: yields numbers as it gets on."""


def in_processes(shares: Sequence[Share]) -> Iterator[int]:
    """Run each share in a process; yield what they yield, as it comes.

    Raises:
        OSError: what one of them raised; the others are stopped.
        RuntimeError: one of them was killed.
    """
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in shares]
    workers = [
        context.Process(target=_work, args=(share, i, pipes)) for i, share in enumerate(shares)
    ]
    try:
        for worker in workers:
            worker.start()
        for _, sender in pipes:
            sender.close()
        yield from _reports([receiver for receiver, _ in pipes])
        for worker in workers:
            worker.join()
            if worker.exitcode != 0:
                raise RuntimeError(f"a process was ended from outside (code {worker.exitcode})")
    finally:
        for worker in workers:
            if worker.pid is not None:
                worker.terminate()
                worker.join()


def _reports(open_: list[Connection]) -> Iterator[int]:
    while open_:
        ready = wait(open_)
        for receiver in [one for one in open_ if one in ready]:
            try:
                report = receiver.recv()
            except EOFError:
                open_.remove(receiver)
                continue
            if isinstance(report, OSError):
                raise report
            yield report


def _work(share: Share, index: int, pipes: list[tuple[Connection, Connection]]) -> None:
    """Do a share in the new process, which keeps its own end of its own pipe alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starter hears it too, and stops us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for i, (receiver, sender) in enumerate(pipes):
        receiver.close()
        if i != index:
            sender.close()
    own = pipes[index][1]
    try:
        for report in share():
            own.send(report)
    except BrokenPipeError:
        return
    except OSError as error:
        own.send(error)
    own.close()
