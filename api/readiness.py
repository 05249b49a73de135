"""Whether requests can be served: a probe in a thread of its own, asked for at most once a second."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from api.bodies.health_answers import CheckAnswer, ReadyAnswer
from common.clock import Clock
from common.errors import HubError
from common.supervision import Loops
from common.timeframes import DURATION_MS
from events.log.redis_log import EventLog
from registry.store.protocol import Store

FRESH_S = 1.0
"""How long an answer serves everybody who asks: the route needs no key, so asking must cost nothing."""
PATIENCE_S = 5.0
"""How long the store and the event log may take to answer."""


class Readiness:
    """Answers ``/health/ready``. For use on one event loop.

    ``log_problem`` says why triggers cannot be published, ``None`` if they can; it is called in the probe's thread.
    While one of ``loops`` does not work, the service is not ready.
    """

    def __init__(
        self,
        store: Store,
        log: EventLog,
        clock: Clock,
        *,
        log_problem: Callable[[], str | None],
        loops: Loops,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._log_problem = log_problem
        self._loops = loops
        self._monotonic = monotonic
        # Neither the threads that wait for commits nor those that judge: when all of them are busy, this still answers.
        self._thread = ThreadPoolExecutor(1, "api-readiness")
        self._probe: asyncio.Future[ReadyAnswer] | None = None
        self._asked = 0.0
        self._answer: ReadyAnswer | None = None
        self._answered = 0.0

    async def answer(self) -> ReadyAnswer:
        """The newest answer, at most a second old; says so if a probe does not come back."""
        now = self._monotonic()
        if self._answer is not None and now - self._answered < FRESH_S:
            return self._answer
        if self._probe is None:
            self._asked = now
            self._probe = asyncio.get_running_loop().run_in_executor(self._thread, self._look)
            self._probe.add_done_callback(self._note)
        await asyncio.wait((self._probe,), timeout=max(0.0, self._asked + PATIENCE_S - now))
        if self._probe is not None and not self._probe.done():
            return _unanswered(self._monotonic() - self._asked)
        assert self._answer is not None
        return self._answer

    def stop(self) -> None:
        """Ask nothing more; a probe that hangs is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _note(self, probe: asyncio.Future[ReadyAnswer]) -> None:
        self._probe = None
        if not probe.cancelled():
            self._answer, self._answered = probe.result(), self._monotonic()

    def _look(self) -> ReadyAnswer:
        try:
            store = self._check_store()
            errors = sum(why.state == "err" for why in self._store.registry.unjudged().values())
            marks = [mark for timeframe in DURATION_MS for mark in self._store.ticks.watermarks(timeframe).values()]
        except Exception as error:
            store = CheckAnswer(ok=False, detail=f"it does not answer ({type(error).__name__})")
            errors, marks = 0, []
        event_log, loops = self._check_log(), self._check_loops()
        return ReadyAnswer(
            status="unavailable" if not (store.ok and loops.ok) else "ok" if event_log.ok else "degraded",
            store=store,
            event_log=event_log,
            loops=loops,
            conditions_in_error=errors,
            last_tick_age_s=(self._clock.now_ms() - max(marks)) / 1000 if marks else None,
        )

    def _check_store(self) -> CheckAnswer:
        try:
            self._store.ticks.unit_costs()
        except HubError:
            return CheckAnswer(ok=False, detail="it does not answer")
        problem = self._store.commit_problem()
        if problem is not None:
            return CheckAnswer(ok=False, detail=problem)
        return CheckAnswer(ok=True, detail=f"newest trigger {self._store.triggers.last_seq()}")

    def _check_log(self) -> CheckAnswer:
        try:
            published = self._log.last_seq()
        except Exception:
            return CheckAnswer(ok=False, detail="it does not answer")
        if self._log_problem() is not None:
            return CheckAnswer(ok=False, detail="recorded triggers cannot be published; the service's log says why")
        waiting = max(0, self._store.triggers.last_seq() - published)
        return CheckAnswer(ok=True, detail=f"{waiting} triggers wait to be published")

    def _check_loops(self) -> CheckAnswer:
        # Names only: anybody may ask, and reasons are in the log.
        loops = self._loops.all()
        failing = [loop.name for loop in loops if not loop.is_up]
        if failing:
            return CheckAnswer(ok=False, detail=f"failing: {', '.join(failing)}; the service's log says why")
        return CheckAnswer(ok=True, detail=f"running: {len(loops)}")


def _unanswered(seconds: float) -> ReadyAnswer:
    detail = f"not known: a probe has not come back for {seconds:.0f} s"
    return ReadyAnswer(
        status="unavailable",
        store=CheckAnswer(ok=False, detail=detail),
        event_log=CheckAnswer(ok=False, detail=detail),
        loops=CheckAnswer(ok=False, detail=detail),
        conditions_in_error=0,
        last_tick_age_s=None,
    )
