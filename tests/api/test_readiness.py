"""Readiness is asked of a thread of its own, seldom, and is red while something that is needed does not work."""

import asyncio
import threading
from pathlib import Path

import pytest

from api import hub_metrics, readiness
from api.bodies.health_answers import CheckAnswer, ReadyAnswer
from api.readiness import Readiness
from common.clock import ReplayClock
from common.errors import EventLogError, StoreError
from common.supervision import Loops
from registry.store.files.file_store import FileStore
from tests.api.served_hub import a_hub
from tests.api.still_clock import StillClock
from tests.events.log.memory_log import MemoryLog
from tests.waiting import wait_for


def asked(probe: Readiness) -> ReadyAnswer:
    async def ask() -> ReadyAnswer:
        return await probe.answer()

    return asyncio.run(ask())


def a_probe(store: FileStore, log: MemoryLog, loops: Loops, clock: StillClock) -> Readiness:
    return Readiness(store, log, ReplayClock(0), log_problem=lambda: None, loops=loops, monotonic=clock)


class FailingLoop:
    """A supervised loop in a thread, which fails as long as it is told to."""

    def __init__(self, loops: Loops, name: str) -> None:
        self.fails = threading.Event()
        self._loop = loops.loop(name)
        self._stop = threading.Event()
        self._thread = loops.start(name, self._work, self._stop)

    def _work(self) -> None:
        self.fails.wait()
        if not self._stop.is_set():
            raise ValueError("api_key=hunter2")

    def fail(self) -> None:
        self.fails.set()
        wait_for(lambda: not self._loop.is_up, "the loop to fail")

    def end(self) -> None:
        self._stop.set()
        self.fails.set()
        self._thread.join()


def test_an_answer_serves_everybody_for_a_second(store: FileStore, log: MemoryLog) -> None:
    loops, clock = Loops(), StillClock()
    probe, loop = a_probe(store, log, loops, clock), FailingLoop(loops, "taker")
    try:
        assert asked(probe).loops == CheckAnswer(ok=True, detail="running: 1")
        loop.fail()
        clock.now += 0.9
        assert asked(probe).status == "ok"
        clock.now += 0.2
        answer = asked(probe)
        assert answer.status == "unavailable"
        # Anybody may ask: what failed is said, and nothing of why.
        assert answer.loops == CheckAnswer(ok=False, detail="failing: taker; the service's log says why")
    finally:
        loop.end()
    clock.now += 1.1
    assert asked(probe).status == "ok"


def test_many_who_ask_at_once_share_a_probe(store: FileStore, log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    clock = StillClock()
    probe = Readiness(
        store,
        log,
        ReplayClock(0),
        log_problem=lambda: looks.append(1),
        loops=Loops(),
        monotonic=clock,
    )

    async def ask() -> list[ReadyAnswer]:
        return await asyncio.gather(*(probe.answer() for _ in range(50)))

    assert {answer.status for answer in asyncio.run(ask())} == {"ok"}
    assert len(looks) == 1


def test_a_store_or_a_log_that_fails_is_said(store: FileStore, log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(error: Exception) -> object:
        def call(*_: object) -> object:
            raise error

        return call

    clock = StillClock()
    with monkeypatch.context() as broken:
        broken.setattr(log, "last_seq", fails(EventLogError("gone")))
        assert asked(a_probe(store, log, Loops(), clock)).status == "degraded"
    with monkeypatch.context() as broken:
        broken.setattr(store.ticks, "unit_costs", fails(StoreError("gone")))
        assert asked(a_probe(store, log, Loops(), clock)).status == "unavailable"
    with monkeypatch.context() as broken:
        broken.setattr(store, "commit_problem", lambda: "the last 3 commits failed")
        answer = asked(a_probe(store, log, Loops(), clock))
        assert answer.status == "unavailable"
        assert answer.store == CheckAnswer(ok=False, detail="the last 3 commits failed")
    with monkeypatch.context() as broken:
        broken.setattr(log, "last_seq", fails(RuntimeError("unexpected")))
        assert asked(a_probe(store, log, Loops(), clock)).status == "degraded"


def test_a_probe_that_hangs_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_S", 0.2)
    with a_hub(tmp_path) as hub:
        nobody = hub.nobody()
        assert nobody.get("/health/ready").json()["status"] == "ok"
        goes_on = threading.Event()
        monkeypatch.setattr(readiness, "FRESH_S", 0.0)
        monkeypatch.setattr(hub.store.ticks, "unit_costs", goes_on.wait)
        for _ in range(3):
            answer = nobody.get("/health/ready")
            assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
            assert "has not come back" in answer.json()["store"]["detail"]
        goes_on.set()
        monkeypatch.undo()


def test_a_log_that_hangs_degrades_and_hides_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_S", 0.2)
    with a_hub(tmp_path) as hub:
        goes_on = threading.Event()
        monkeypatch.setattr(readiness, "FRESH_S", 0.0)
        monkeypatch.setattr(hub.log, "last_seq", goes_on.wait)
        for _ in range(2):
            answer = hub.nobody().get("/health/ready")
            assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
            assert answer.json()["store"] == {"ok": True, "detail": "newest trigger 0"}
            assert "has not come back" in answer.json()["event_log"]["detail"]
        goes_on.set()
        monkeypatch.undo()


def test_a_log_that_hangs_keeps_no_metrics_but_its_own_from_a_scrape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_metrics, "_LOG_PATIENCE_S", 0.2)
    with a_hub(tmp_path) as hub:
        operator = hub.as_user("olga", role="operator")
        assert "hub_event_log_up 1.0" in operator.get("/metrics").text
        goes_on = threading.Event()
        monkeypatch.setattr(hub.log, "last_seq", goes_on.wait)
        for _ in range(2):
            text = operator.get("/metrics").text
            assert "hub_event_log_up 0.0" in text
            assert "hub_event_queue_depth" not in text
            for name in ("hub_triggers_total", "hub_tick_lag_seconds", "hub_deployment_failing", "hub_http_requests"):
                assert name in text
        monkeypatch.undo()
        goes_on.set()
        wait_for(lambda: "hub_event_log_up 1.0" in operator.get("/metrics").text, "the log to answer")


def test_readiness_does_not_wait_for_those_who_wait_for_commits(tmp_path: Path) -> None:
    with a_hub(tmp_path) as hub:
        goes_on = threading.Event()
        writers = hub.service._writers
        waiting = [writers.submit(goes_on.wait) for _ in range(200)]
        try:
            assert hub.nobody().get("/health/ready").status_code == 200
        finally:
            goes_on.set()
        assert all(one.result() for one in waiting)


def test_a_live_feed_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "FRESH_S", 0.0)
    with a_hub(tmp_path) as hub:
        nobody = hub.nobody()
        assert nobody.get("/health/ready").status_code == 200

        def poisoned(*_: object, **__: object) -> None:
            raise ValueError("an entry that nobody can read")

        hub.log.read = poisoned  # type: ignore[method-assign, assignment]
        loop = hub.service.loops.loop("live-feed")
        wait_for(lambda: not loop.is_up, "the live feed to fail")
        answer = nobody.get("/health/ready")
        assert answer.status_code == 503
        assert "failing: live-feed" in answer.json()["loops"]["detail"]
