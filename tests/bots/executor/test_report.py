"""What the executor tells of itself, and that its sums outlive its processes."""

import json
import stat
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bots.dca import DcaBot
from bots.executor.report import NAME, ExecutorReport, Reporting
from common.supervision import Loops, Pauses
from tests.bots.executor.conftest import START
from tests.bots.executor.lab import Lab, no_broker
from tests.bots.executor.test_executor import AT_ONCE
from tests.waiting import wait_for


def test_refused_orders_are_counted_by_kind_of_bot(lab: Lab, crash: pl.DataFrame) -> None:
    lab.store.candles.upsert(crash.head(2))
    # The account has no money for its first order.
    lab.create(AT_ONCE | {"paper": {"quote": 10}, "disableAfterDealsCount": 1})
    lab.arrive(crash.head(20))
    with lab.executor() as driven:
        assert driven.executor.report().refused == {}
        driven.settle()
        report = driven.executor.report()
        notes = [note for note in lab.told(lab.store.bots.bots_of("ann")[0])["text"] if note.startswith("order rej")]
        assert report.refused == {"dca": len(notes)}
        assert notes
        assert (report.bots, report.not_run, report.failures) == (1, 0, {})
        assert report.round_ms == lab.clock.now_ms()


def test_failures_and_bots_that_cannot_be_run_are_counted(
    lab: Lab, crash: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise ValueError

    monkeypatch.setattr(DcaBot, "step", fail)
    lab.store.candles.upsert(crash.head(2))
    lab.create(AT_ONCE)
    lab.create(AT_ONCE | {"account": "main"}, bot_id="elsewhere")
    lab.arrive(crash.head(20))
    with lab.executor(open_broker=no_broker) as driven:
        driven.settle()
        report = driven.executor.report()
    assert (report.failures, report.bots, report.not_run) == ({"dca": 1}, 1, 1)


def test_the_lag_is_that_of_the_oldest_trigger_that_nobody_acted_on(lab: Lab, crash: pl.DataFrame) -> None:
    lab.store.candles.upsert(crash.head(2))
    config = {key: value for key, value in AT_ONCE.items() if key != "start"}
    bot = lab.create(config | {"entryConditions": ["every(close > 1)"]})
    lab.arrive(crash.filter(pl.col("open_time") < START + timedelta(hours=10)), "1h")
    with lab.executor() as driven:
        assert (driven.executor.report().waiting, driven.executor.report().lag_s) == (0, 0.0)
        driven.consume()
        triggers = driven.inbox.of(bot.number)
        report = driven.executor.report()
        assert report.waiting == len(triggers) > 2
        assert report.lag_s * 1000 == lab.clock.now_ms() - min(one.close_ms for one in triggers)
        driven.settle()
        assert (driven.executor.report().waiting, driven.executor.report().lag_s) == (0, 0.0)


def test_sums_outlive_the_executor_and_its_process(tmp_path: Path) -> None:
    assert ExecutorReport.read(tmp_path) is None
    for _ in range(2):
        reporting = Reporting(tmp_path, Loops())
        for bots in (7, 9):
            report = ExecutorReport(bots=bots, failures={"dca": 1}, refused={"grid": 2})
            reporting.follow(lambda report=report: report)  # type: ignore[misc]
        reporting.write()
    said = ExecutorReport.read(tmp_path)
    assert said is not None
    assert (said.bots, said.failures, said.refused) == (9, {"dca": 4}, {"grid": 8})
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    (tmp_path / NAME).write_text("half of")
    assert ExecutorReport.read(tmp_path) is None


def test_restarts_of_the_executors_loops_are_told(tmp_path: Path) -> None:
    loops, stop = Loops(Pauses(0.001, 0.001)), threading.Event()

    def fail() -> None:
        raise OSError

    failing = loops.start("bots-act", fail, stop)
    reporting = Reporting(tmp_path, loops)
    wait_for(lambda: loops.loop("bots-act").restarts > 1, "a loop that begins again")
    stop.set()
    reporting.run(stop)
    failing.join()
    said = ExecutorReport.read(tmp_path)
    assert said is not None
    assert said.restarts["bots-act"] > 1
    assert set(json.loads((tmp_path / NAME).read_text())) >= {"bots", "failures", "restarts"}
