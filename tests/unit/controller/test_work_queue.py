"""The queue of studies, by a clock of the test's own and by threads."""

import threading
from collections import Counter

from taskonomy_operator.work_queue import FIRST_WAIT, LONGEST_WAIT, WorkQueue


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def queue_at(clock: Clock, pause: float = 0.1) -> WorkQueue:
    return WorkQueue(pause=pause, clock=clock)


def due(queue: WorkQueue) -> str | None:
    """Return what a worker would get now, without waiting for it."""
    key, _ = queue._next()
    return key


def test_a_key_that_is_added_often_is_handed_out_once() -> None:
    clock = Clock()
    queue = queue_at(clock)
    for _ in range(100):
        queue.add("a")
    assert queue.depth() == 1
    assert (due(queue), due(queue)) == ("a", None)


def test_a_key_is_with_one_worker_and_comes_again_if_it_was_added_meanwhile() -> None:
    clock = Clock()
    queue = queue_at(clock)
    queue.add("a")
    assert due(queue) == "a"
    queue.add("a")
    clock.now += 60
    assert due(queue) is None
    queue.done("a")
    assert due(queue) is None  # a burst of news is one pass
    clock.now += 0.1
    assert due(queue) == "a"


def test_what_nobody_adds_comes_no_more_unless_asked_for() -> None:
    clock = Clock()
    queue = queue_at(clock)
    queue.add("a")
    due(queue)
    queue.done("a")
    clock.now += 1_000
    assert due(queue) is None
    queue.add("a")
    due(queue)
    queue.done("a", again_after=5)
    clock.now += 4.9
    assert due(queue) is None
    clock.now += 0.1
    assert due(queue) == "a"


def test_news_do_not_wait_for_the_time_that_was_asked_for() -> None:
    clock = Clock()
    queue = queue_at(clock)
    queue.add("a")
    due(queue)
    queue.done("a", again_after=3_600)
    clock.now += 1
    queue.add("a")
    assert due(queue) == "a"


def test_a_key_that_fails_waits_longer_each_time_and_news_do_not_hurry_it() -> None:
    clock = Clock()
    queue = queue_at(clock)
    queue.add("a")
    for times in range(12):
        assert due(queue) == "a"
        queue.done("a", failed=True)
        queue.add("a")
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2**times)
        clock.now += wait - 0.01
        assert due(queue) is None
        clock.now += 0.01
    assert due(queue) == "a"
    queue.done("a")
    queue.add("a")
    clock.now += 0.1
    assert due(queue) == "a"  # one success and it is as others


def test_a_key_that_is_forgotten_is_not_handed_out() -> None:
    queue = queue_at(Clock())
    queue.add("a")
    queue.forget("a")
    assert due(queue) is None


def test_workers_share_the_keys_and_never_one_key() -> None:
    queue, guard = WorkQueue(pause=0.0), threading.Lock()
    at_work: Counter[str] = Counter()
    done: Counter[str] = Counter()
    enough = threading.Event()
    wrong: list[str] = []

    def work() -> None:
        while (key := queue.take()) is not None:
            with guard:
                at_work[key] += 1
                if at_work[key] > 1:
                    wrong.append(key)
            with guard:
                at_work[key] -= 1
                done[key] += 1
                if sum(done.values()) >= 500:
                    enough.set()
            queue.done(key, again_after=0.0)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for key in "abc":
        queue.add(key)
    assert enough.wait(30)
    queue.close()
    for worker in workers:
        worker.join(30)
    assert wrong == []
    assert set(done) == set("abc")
