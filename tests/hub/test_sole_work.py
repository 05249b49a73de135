"""Work that one process does for all is given up by a process that has lost it, and by no other."""

import threading

from common.errors import StoreBroken, StoreLocked, StoreUnreachable
from common.supervision import Loops
from hub.sole_work import keeping_sole_work
from tests.waiting import wait_for


def test_a_server_that_is_away_is_waited_for_and_a_faster_process_ends_this_one() -> None:
    asked: list[str] = []
    lost: list[StoreBroken] = []
    answers = iter([None, StoreUnreachable("away"), StoreUnreachable("away"), None])
    taken = threading.Event()

    def keep() -> None:
        asked.append("asked")
        error = StoreLocked("another service runs the bots of this store") if taken.is_set() else next(answers, None)
        if error is not None:
            raise error

    loops = Loops()
    with keeping_sole_work(keep, loops, lost.append, every_s=0.001):
        wait_for(lambda: len(asked) > 8, "it to be looked at")
        assert not lost
        taken.set()
        wait_for(lambda: bool(lost), "the process to give up")
        count = len(asked)
        assert str(lost[0]).endswith("meanwhile another service runs the bots of this store")
    assert len(asked) == count, "told once"
    assert len(lost) == 1
    assert {loop.restarts for loop in loops.all()} == {0}
