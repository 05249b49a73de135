"""Writes of several threads, committed together.

A commit costs the same milliseconds for one row and for hundreds. While one is under way, the operations of other
threads queue up, and the next commit takes all of them. A lone caller waits for nobody.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

_Draft = TypeVar("_Draft")
_Answer = TypeVar("_Answer")


class PendingOperation(Generic[_Draft]):
    """An operation that waits for its commit."""

    def __init__(self, operation: Callable[[_Draft], object]) -> None:
        self.operation = operation
        self.answer: object = None
        self.error: BaseException | None = None
        self.woken = threading.Event()
        self.leads = False


class GroupCommit(Generic[_Draft]):
    """Queues operations and commits them in their order, one commit after another.

    ``commit`` runs the operations of its list on one draft, commits the draft, and sets the answer or the error of each
    operation. If it raises, nothing of its list was committed.
    """

    def __init__(self, commit: Callable[[list[PendingOperation[_Draft]]], None]) -> None:
        self._commit = commit
        self._mutex = threading.Lock()
        self._queue: list[PendingOperation[_Draft]] = []
        self._is_led = False

    def run(self, operation: Callable[[_Draft], _Answer]) -> _Answer:
        """The operation's answer once it is committed; raises what the operation or the commit raised."""
        mine = PendingOperation(operation)
        with self._mutex:
            self._queue.append(mine)
            mine.leads = not self._is_led
            self._is_led = True
        if not mine.leads:
            mine.woken.wait()
        if mine.leads:
            self._lead()
        if mine.error is not None:
            raise mine.error
        return cast(_Answer, mine.answer)

    def _lead(self) -> None:
        """Commit everything in the queue, and pass the lead to the first operation that has been queued since."""
        with self._mutex:
            batch, self._queue = self._queue, []
        try:
            self._commit_fairly(batch)
        finally:
            with self._mutex:
                following = self._queue[0] if self._queue else None
                self._is_led = following is not None
            if following is not None:
                following.leads = True
                following.woken.set()
            for other in batch:
                other.woken.set()

    def _commit_fairly(self, batch: list[PendingOperation[_Draft]]) -> None:
        try:
            self._commit(batch)
        except BaseException as error:
            # Something that cannot be written is the problem of one caller, and must not fail the others.
            if len(batch) > 1 and isinstance(error, Exception):
                for each in batch:
                    each.error = None
                    self._commit_fairly([each])
            else:
                for each in batch:
                    each.error = error
