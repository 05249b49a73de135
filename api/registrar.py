"""Registrations of many requests, written together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from common.errors import HubError
from registry.conditions import Condition
from registry.store.parts.registry import RegisterResult

_PAUSE_S = 0.004
"""How long a line that had several in it last time is left to grow: a commit of hundreds costs little more than one."""
_MOST = 500

Line = list[tuple[Condition, asyncio.Future[RegisterResult]]]


class Registrar:
    """Lines conditions up while a commit is under way; the next one takes all of them. A lone one waits for nobody.

    ``write`` registers conditions in one commit, or raises and registers none. Used on the event loop alone.
    """

    def __init__(self, write: Callable[[Sequence[Condition]], Awaitable[list[RegisterResult]]]) -> None:
        self._write = write
        self._line: Line = []
        self._working: asyncio.Task[None] | None = None

    async def register(self, condition: Condition) -> RegisterResult:
        """Register one condition; raises what is wrong with it."""
        answer: asyncio.Future[RegisterResult] = asyncio.get_running_loop().create_future()
        self._line.append((condition, answer))
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="registrar")
        return await answer

    async def _work(self) -> None:
        several = False
        try:
            while self._line:
                if several:
                    await asyncio.sleep(_PAUSE_S)
                line, self._line = self._line[:_MOST], self._line[_MOST:]
                several = len(line) > 1
                await self._commit(line)
        finally:
            self._working = None

    async def _commit(self, line: Line) -> None:
        try:
            answers = await self._write([condition for condition, _ in line])
        except HubError as error:
            if len(line) == 1:
                _fail(line, error)
                return
            # What is wrong with one is not the others' fault.
            for each in line:
                await self._commit([each])
        except BaseException as error:
            _fail(line, error)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, answer), registration in zip(line, answers, strict=True):
                if not answer.done():
                    answer.set_result(registration)


def _fail(line: Line, error: BaseException) -> None:
    for _, answer in line:
        if not answer.done():
            answer.set_exception(error)
