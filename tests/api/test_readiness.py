"""Readiness is asked of a thread of its own, seldom, and is red while something that is needed does not work."""

import asyncio
import threading
from pathlib import Path

import pytest

from api import readiness
from api.bodies.health_answers import ReadyAnswer
from api.readiness import Readiness
from common.clock import ReplayClock
from common.errors import EventLogError, StoreError
from registry.store.files.file_store import FileStore
from tests.api.served_hub import a_hub
from tests.api.still_clock import StillClock
from tests.events.log.memory_log import MemoryLog
from tests.waiting import wait_for


def asked(probe: Readiness) -> ReadyAnswer:
    async def ask() -> ReadyAnswer:
        return await probe.answer()

    return asyncio.run(ask())


def a_probe(store: FileStore, log: MemoryLog, problems: list[str], clock: StillClock) -> Readiness:
    return Readiness(store, log, ReplayClock(0), log_problem=lambda: None, problems=lambda: problems, monotonic=clock)


def test_an_answer_serves_everybody_for_a_second(store: FileStore, log: MemoryLog) -> None:
    problems: list[str] = []
    clock = StillClock()
    probe = a_probe(store, log, problems, clock)
    assert asked(probe).status == "ok"
    problems.append("the loop x has ended")
    clock.now += 0.9
    assert asked(probe).status == "ok"
    clock.now += 0.2
    answer = asked(probe)
    assert (answer.status, answer.problems) == ("unavailable", ["the loop x has ended"])
    problems.clear()
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
        problems=tuple,
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
        assert asked(a_probe(store, log, [], clock)).status == "degraded"
    with monkeypatch.context() as broken:
        broken.setattr(store.ticks, "unit_costs", fails(StoreError("gone")))
        assert asked(a_probe(store, log, [], clock)).status == "unavailable"
    with monkeypatch.context() as broken:
        broken.setattr(store, "commit_problem", lambda: "the last 3 commits failed")
        answer = asked(a_probe(store, log, [], clock))
        assert (answer.status, answer.problems) == ("unavailable", ["the last 3 commits failed"])
    with monkeypatch.context() as broken:
        broken.setattr(log, "last_seq", fails(RuntimeError("unexpected")))
        assert asked(a_probe(store, log, [], clock)).status == "degraded"


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


def test_a_live_feed_that_has_ended_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "FRESH_S", 0.0)
    with a_hub(tmp_path) as hub:
        nobody = hub.nobody()
        assert nobody.get("/health/ready").status_code == 200

        def poisoned(*_: object, **__: object) -> None:
            raise ValueError("an entry that nobody can read")

        hub.log.read = poisoned  # type: ignore[method-assign, assignment]
        task = hub.service.user_feed._tasks[0]
        wait_for(task.done, "the live feed to end")
        answer = nobody.get("/health/ready")
        assert answer.status_code == 503
        assert "live feed has ended" in answer.json()["problems"][0]
