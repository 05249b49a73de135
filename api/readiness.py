"""Whether requests can be served: probes in threads of their own, asked for at most once a second."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

from api.bodies.health_answers import CheckAnswer, ReadyAnswer
from common.clock import Clock
from common.errors import HubError
from common.supervision import Loops
from events.log.redis_log import EventLog
from registry.store.protocol import Store

FRESH_S = 1.0
"""How long an answer serves everybody who asks: the route needs no key, so asking must cost nothing."""
PATIENCE_S = 5.0
"""How long the store and the event log may take to answer."""

Seen = TypeVar("Seen")


class Readiness:
    """Answers ``/health/ready``. For use on one event loop.

    ``log_problem`` says why triggers cannot be published, ``None`` if they can; it is called in a probe's thread.
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
        self._store_probe = _Probe("api-readiness-store", self._look_at_store)
        self._log_probe = _Probe("api-readiness-log", self._look_at_log)
        self._answering: asyncio.Future[ReadyAnswer] | None = None
        self._answer: ReadyAnswer | None = None
        self._answered = 0.0

    async def answer(self) -> ReadyAnswer:
        """The newest answer, at most a second old; says so if a probe does not come back."""
        if self._answer is not None and self._monotonic() - self._answered < FRESH_S:
            return self._answer
        if self._answering is None:
            self._answering = asyncio.ensure_future(self._compose())
            self._answering.add_done_callback(self._note)
        # One who goes away takes nothing from the others.
        return await asyncio.shield(self._answering)

    def stop(self) -> None:
        """Ask nothing more; a probe that hangs is not waited for."""
        self._store_probe.stop()
        self._log_probe.stop()

    def _note(self, answering: asyncio.Future[ReadyAnswer]) -> None:
        self._answering = None
        if not answering.cancelled() and answering.exception() is None:
            self._answer, self._answered = answering.result(), self._monotonic()

    async def _compose(self) -> ReadyAnswer:
        of_store, of_log = await asyncio.gather(
            self._store_probe.look(self._monotonic), self._log_probe.look(self._monotonic)
        )
        store = _StoreLook(_unanswered(of_store)) if isinstance(of_store, _Unanswered) else of_store
        event_log = _unanswered(of_log) if isinstance(of_log, _Unanswered) else _of_log(of_log, store.last_seq)
        loops = self._check_loops()
        return ReadyAnswer(
            status="unavailable" if not (store.check.ok and loops.ok) else "ok" if event_log.ok else "degraded",
            store=store.check,
            event_log=event_log,
            loops=loops,
            conditions_in_error=store.errors,
            last_tick_age_s=None if store.judged_ms is None else (self._clock.now_ms() - store.judged_ms) / 1000,
        )

    def _look_at_store(self) -> "_StoreLook":
        try:
            self._store.ticks.unit_costs()
            problem = self._store.commit_problem()
            last_seq = self._store.triggers.last_seq()
            errors = self._store.registry.totals()["in_error"]
            judged_ms = self._store.ticks.newest_watermark()
        except HubError:
            return _StoreLook(CheckAnswer(ok=False, detail="it does not answer"))
        except Exception as error:
            return _StoreLook(CheckAnswer(ok=False, detail=f"it does not answer ({type(error).__name__})"))
        detail = f"newest trigger {last_seq}" if problem is None else problem
        return _StoreLook(CheckAnswer(ok=problem is None, detail=detail), last_seq, errors, judged_ms)

    def _look_at_log(self) -> "int | CheckAnswer":
        try:
            published = self._log.last_seq()
        except Exception:
            return CheckAnswer(ok=False, detail="it does not answer")
        if self._log_problem() is not None:
            return CheckAnswer(ok=False, detail="recorded triggers cannot be published; the service's log says why")
        return published

    def _check_loops(self) -> CheckAnswer:
        # Names only: anybody may ask, and reasons are in the log.
        loops = self._loops.all()
        failing = [loop.name for loop in loops if not loop.is_up]
        if failing:
            return CheckAnswer(ok=False, detail=f"failing: {', '.join(failing)}; the service's log says why")
        return CheckAnswer(ok=True, detail=f"running: {len(loops)}")


class _StoreLook(NamedTuple):
    check: CheckAnswer
    last_seq: int | None = None
    """Of its triggers."""
    errors: int = 0
    """Conditions that cannot be judged."""
    judged_ms: int | None = None
    """Close time of the newest judged candle."""


class _Unanswered(NamedTuple):
    seconds: float
    """How long a look has been under way."""


class _Probe(Generic[Seen]):
    """A look in a thread of its own: neither those that wait for commits nor those that judge hold it up."""

    def __init__(self, name: str, look: Callable[[], Seen]) -> None:
        self._look = look
        self._thread = ThreadPoolExecutor(1, name)
        self._under_way: asyncio.Future[Seen] | None = None
        self._began = 0.0

    async def look(self, monotonic: Callable[[], float]) -> Seen | _Unanswered:
        """What it sees. One look is under way at a time; it has ``PATIENCE_S`` from its beginning."""
        if self._under_way is None:
            self._began = monotonic()
            self._under_way = asyncio.get_running_loop().run_in_executor(self._thread, self._look)
        looking = self._under_way
        await asyncio.wait((looking,), timeout=max(0.0, self._began + PATIENCE_S - monotonic()))
        if not looking.done():
            return _Unanswered(monotonic() - self._began)
        self._under_way = None
        return looking.result()

    def stop(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _of_log(published: int | CheckAnswer, last_seq: int | None) -> CheckAnswer:
    if isinstance(published, CheckAnswer):
        return published
    if last_seq is None:
        return CheckAnswer(ok=True, detail=f"newest event {published}")
    return CheckAnswer(ok=True, detail=f"{max(0, last_seq - published)} triggers wait to be published")


def _unanswered(unanswered: _Unanswered) -> CheckAnswer:
    return CheckAnswer(ok=False, detail=f"not known: a probe has not come back for {unanswered.seconds:.0f} s")
