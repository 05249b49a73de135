"""Threads that users share fairly: each has a queue of their own, and the queues take turns."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from api.http.problems import ProblemError

Outcome = TypeVar("Outcome")

_LONGEST_ADVICE_S = 60
"""The longest time after which clients are told to come back."""


class FairShare:
    """Runs slow work in threads, one piece of each user at a time. For use on one event loop.

    However much a user asks for, another one waits at most for a thread, never behind that user's queue. Queues are
    bounded: what does not fit is refused at once, with the time after which to try again.
    """

    def __init__(self, threads: int, *, waiting_per_user: int, waiting: int) -> None:
        self._threads = threads
        self._waiting_per_user = waiting_per_user
        self._waiting = waiting
        self._pool = ThreadPoolExecutor(threads, "api-judge")
        self._running: set[str] = set()
        """Users with work in a thread."""
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        """User -> their waiting work, oldest first; the users in the order of their turns."""
        self._length = 0
        self._usual_s = 0.1
        """How long work has taken lately."""

    @property
    def waiting(self) -> int:
        """How much work waits for a thread."""
        return self._length

    def check_room(self, user_id: str) -> None:
        """Raises a 429 problem if too much of the user's work waits, a 503 problem if too much of everybody's does."""
        mine = len(self._queues.get(user_id, ()))
        if mine >= self._waiting_per_user:
            detail = f"{mine} of your requests that judge candles are waiting already, and no more may; ask for less"
            raise self._full(429, "too-many-waiting", f"{detail} at once", mine)
        if self._length >= self._waiting:
            detail = f"{self._length} requests that judge candles are waiting already, and no more may"
            raise self._full(503, "busy", detail, self._length // self._threads)

    async def run(self, user_id: str, work: Callable[[], Outcome]) -> Outcome:
        """The result of work that is done in a thread when it is the user's turn; refused as by :meth:`check_room`."""
        if user_id in self._running or len(self._running) >= self._threads:
            await self._turn(user_id)
        else:
            self._running.add(user_id)
        started = time.perf_counter()
        # The thread is busy until the work ends, even if whoever waits for it is gone by then.
        done = asyncio.get_running_loop().run_in_executor(self._pool, work)
        done.add_done_callback(lambda _: self._ended(user_id, time.perf_counter() - started))
        return await asyncio.shield(done)

    def shutdown(self) -> None:
        """Wait until the threads are done."""
        self._pool.shutdown()

    async def _turn(self, user_id: str) -> None:
        """Wait for a thread."""
        self.check_room(user_id)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(user_id, deque()).append(turn)
        self._length += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(user_id, turn)
            else:
                # The turn came at the same moment.
                self._ended(user_id, self._usual_s)
            raise

    def _forget(self, user_id: str, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(user_id, deque())
        if turn in queue:
            queue.remove(turn)
            self._length -= 1
            if not queue:
                del self._queues[user_id]

    def _ended(self, user_id: str, seconds: float) -> None:
        self._usual_s += (seconds - self._usual_s) / 8
        self._running.discard(user_id)
        while len(self._running) < self._threads:
            following = next((name for name in self._queues if name not in self._running), None)
            if following is None:
                break
            queue = self._queues.pop(following)
            turn = queue.popleft()
            self._length -= 1
            if queue:
                # At the end of the order: everybody else comes first.
                self._queues[following] = queue
            if not turn.done():
                self._running.add(following)
                turn.set_result(None)

    def _full(self, status: int, kind: str, detail: str, before: int) -> ProblemError:
        seconds = min(_LONGEST_ADVICE_S, max(1, math.ceil(before * self._usual_s)))
        return ProblemError(status, kind, f"{detail}; try again in {seconds} s", headers={"Retry-After": str(seconds)})
