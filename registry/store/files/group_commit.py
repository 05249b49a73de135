"""Writes of several threads, committed together.

A commit costs the same milliseconds for one row and for hundreds. While one is under way, the operations of other
threads line up; the next commit takes all of them. A lone caller waits for nobody.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

Draft = TypeVar("Draft")
Answer = TypeVar("Answer")


class Waiting(Generic[Draft]):
    """An operation that waits for its commit."""

    def __init__(self, operation: Callable[[Draft], object]) -> None:
        self.operation = operation
        self.answer: object = None
        self.error: BaseException | None = None
        self.woken = threading.Event()
        self.leads = False


class Gathering(Generic[Draft]):
    """Lines operations up and commits them, in the order in which they came, one commit after another.

    ``commit`` runs the operations of its list on one draft, commits the draft, and sets the answers of those that
    count and the errors of the others. If it raises, nothing of its list was committed.
    """

    def __init__(self, commit: Callable[[list[Waiting[Draft]]], None]) -> None:
        self._commit = commit
        self._mutex = threading.Lock()
        self._line: list[Waiting[Draft]] = []
        self._is_led = False

    def run(self, operation: Callable[[Draft], Answer]) -> Answer:
        """The operation's answer once it is committed; raises what the operation or the commit raised."""
        mine = Waiting(operation)
        with self._mutex:
            self._line.append(mine)
            mine.leads = not self._is_led
            self._is_led = True
        if not mine.leads:
            mine.woken.wait()
        if mine.leads:
            self._lead()
        if mine.error is not None:
            raise mine.error
        return cast(Answer, mine.answer)

    def _lead(self) -> None:
        """Commit everything in line, and hand the lead to whoever has come since."""
        with self._mutex:
            line, self._line = self._line, []
        try:
            self._commit_fairly(line)
        finally:
            with self._mutex:
                following = self._line[0] if self._line else None
                self._is_led = following is not None
            if following is not None:
                following.leads = True
                following.woken.set()
            for other in line:
                other.woken.set()

    def _commit_fairly(self, line: list[Waiting[Draft]]) -> None:
        try:
            self._commit(line)
        except BaseException as error:
            # What cannot be written is one caller's; the others must not suffer from it.
            if len(line) > 1 and isinstance(error, Exception):
                for each in line:
                    each.error = None
                    self._commit_fairly([each])
            else:
                for each in line:
                    each.error = error
