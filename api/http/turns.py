"""Turns: work that keeps a processor busy, in one thread, of one user after the other.

Python runs one thread at a time, so a second thread would only compete with the event loop. Each user has at most one
piece of work in the queue: a user with a thousand pieces waits for them alone, and everybody else waits for one of them
at most. Long work has to be cut into pieces (``SLICE_S``).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from api.http.problems import ProblemError

SLICE_S = 0.01
"""How long a piece of long work should take."""
_MOST_WAITING = 64
"""Pieces of work of one user that may wait; a body that waits takes memory."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class _Queue:
    """The turn of one user, and how many pieces of that user's work want it."""

    __slots__ = ("turn", "wanting")

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.wanting = 0


class Turns:
    """Runs work of many users fairly. For use on one event loop."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._queues: dict[str, _Queue] = {}

    async def run(
        self, user_id: str, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """The result of work once it is the user's turn; raises a 429 problem if too much of the user's waits."""
        queue = self._queues.setdefault(user_id, _Queue())
        if queue.wanting >= _MOST_WAITING:
            detail = f"{queue.wanting} requests of yours are waiting to be read; send fewer at once"
            raise ProblemError(429, "too-many-requests", detail, headers={"Retry-After": "1"})
        queue.wanting += 1
        try:
            async with queue.turn:
                return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *args, **kwargs))
        finally:
            queue.wanting -= 1
            if not queue.wanting:
                del self._queues[user_id]

    def shutdown(self) -> None:
        """End the thread; waits for the piece of work in progress."""
        self._thread.shutdown(cancel_futures=True)
