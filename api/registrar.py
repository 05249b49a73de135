"""Registrations of concurrent requests, written together.

The store commits together whatever waits in its threads, but a thread per request is expensive: with 64 registrations
at a time, the service would use over a third more CPU time for each and answer a quarter fewer per second. That is why
concurrent requests share one call.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from common.errors import HubError, QuotaExceeded
from registry.conditions import Condition
from registry.store.parts.registry import RegisterResult

_PAUSE_S = 0.004
"""How long a busy queue is left to grow before each commit: hundreds in one commit cost little more than one."""
_MOST = 500

Queue = list[tuple[Condition, str, asyncio.Future[RegisterResult]]]
"""Conditions, the users who register them, and who waits for each."""


class Registrar:
    """Queues conditions while a commit is in progress; the next commit takes all of them. A lone request never waits.

    ``write`` registers conditions, each of a user, in one commit, or raises and registers none. For use on one event
    loop.
    """

    def __init__(self, write: Callable[[Sequence[tuple[Condition, str]]], Awaitable[list[RegisterResult]]]) -> None:
        self._write = write
        self._queue: Queue = []
        self._working: asyncio.Task[None] | None = None

    async def register(self, condition: Condition, user_id: str) -> RegisterResult:
        """Register one condition of a user; raises the error of this condition only."""
        answer: asyncio.Future[RegisterResult] = asyncio.get_running_loop().create_future()
        self._queue.append((condition, user_id, answer))
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="registrar")
        return await answer

    async def _work(self) -> None:
        several = False
        try:
            while self._queue:
                if several:
                    await asyncio.sleep(_PAUSE_S)
                batch, self._queue = self._queue[:_MOST], self._queue[_MOST:]
                several = len(batch) > 1
                await self._commit(batch)
        finally:
            self._working = None

    async def _commit(self, batch: Queue) -> None:
        try:
            answers = await self._write([(condition, user_id) for condition, user_id, _ in batch])
        except HubError as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            # An error of one condition must not fail the others; one of a user need not be looked for among them.
            whose = error.user_id if isinstance(error, QuotaExceeded) else None
            if others := [each for each in batch if whose is not None and each[1] != whose]:
                await self._commit(others)
            for each in batch:
                if whose is None or each[1] == whose:
                    await self._commit([each])
        except BaseException as error:
            _fail(batch, error)
            if not isinstance(error, Exception):
                raise
        else:
            for (*_, answer), registration in zip(batch, answers, strict=True):
                if not answer.done():
                    answer.set_result(registration)


def _fail(batch: Queue, error: BaseException) -> None:
    for *_, answer in batch:
        if not answer.done():
            answer.set_exception(error)
