"""`hub status` is one screen of 80 columns, whatever there is to say."""

from pathlib import Path

import pytest

from analysis.progress import ExchangeCandles, TimeframeProgress, Waiting
from analysis.savings import Savings
from flows.hub_state import EventState, Health, HubState
from flows.prefect_view import FailedRun, PrefectView, WorkerSeen
from hub.cli.status_screen import status_lines
from hub.hub_processes import HubProcess
from registry.groups import Group, Series
from registry.store.parts.runs import AuditRecord, RunFailure

NOW = 1_796_066_190_000
MINUTE = 60_000
STORED = {"series": 9, "ticks": 9, "triggers": 1_234_567}
TODAY = Savings(9, 10, 1_000, 5, 2_000, 50, 4, 3_000, 40, 1.0, None, 1.0, 2.0)


def waits(name: str, minutes: int, *, foreign: str | None = None) -> Waiting:
    series = Series.parse(f"BINANCE:{name} 1m")
    group = Group((series,)) if foreign is None else Group((Series.parse(f"BINANCE:{foreign} 1m"), series))
    since = NOW - minutes * MINUTE
    outcome = "its source does not deliver: it is judged as missing once a later candle comes"
    return Waiting(group, series, since - MINUTE, since, True, outcome)


def state(*waiting: Waiting, **others: object) -> HubState:
    minute = TimeframeProgress("1m", 123_456, 9_999, NOW - 20_000, NOW + 40_000, 93_000_000, waiting, 9_999, 3)
    fields: dict[str, object] = {
        "now_ms": NOW,
        "health": Health("http://127.0.0.1:65535", 1, "degraded", ("event log: it does not answer",)),
        "totals": {"conditions": 123_456, "subscriptions": 1_234_567, "users": 12_345, "bots": 123_456},
        "in_error": 12,
        "retired": 1,
        "superseded": 1_000,
        "timeframes": (minute, TimeframeProgress("1mo", 1, 1, None, NOW + 10**9, 0, (), 0, 0)),
        "candles": (ExchangeCandles("BINANCE", 9, 3, 1, NOW), ExchangeCandles("OKX", 1, 0, 1, None)),
        "events": EventState(1_234_567, 1_234_000, {"webhooks": 567}, {"webhooks": 2}),
        "events_problem": None,
        "prefect": PrefectView(
            "http://127.0.0.1:55397",
            True,
            (WorkerSeen("hub 1", False, NOW),),
            3,
            12,
            (FailedRun("tick-1m", "Failed", NOW, "Flow run encountered an exception: " + "word " * 100),),
        ),
        "prefect_problem": None,
        "failing": (RunFailure("run", "tick/1h", "Failed", "StoreUnreachable: " + "word " * 100, NOW - 30 * MINUTE),),
        "audit": AuditRecord("run", 0, NOW - 1_000 * MINUTE, 9, 9, 12_345, 2, 0, 0, 0, ("one",), NOW - 900 * MINUTE),
        "today": TODAY,
    }
    return HubState(**(fields | others))  # type: ignore[arg-type]


PROCESSES = [
    HubProcess("hub", 4_194_303, "http://127.0.0.1:8000"),
    HubProcess("worker", 4_194_302),
    HubProcess("dashboard", 4_194_301, "http://127.0.0.1:8501"),
    HubProcess("prefect", 4_194_300, "http://127.0.0.1:55397"),
    HubProcess("valkey", 4_194_299),
]


def screen(shown: HubState, processes: list[HubProcess]) -> str:
    return "\n".join(status_lines(Path("/var/lib/condition-hub"), shown, processes, STORED))


@pytest.mark.parametrize(
    "shown",
    [
        state(waits("OLDUSDT", 90), waits("1000PEPEUSDT", 90, foreign="BTCUSDT"), waits("SOLUSDT", 5)),
        state(health=None, prefect=None, events=None, events_problem="it is not running; start it with `hub up`"),
        state(timeframes=(), candles=()),
    ],
    ids=["everything wrong", "nothing runs", "nothing wanted"],
)
def test_it_fits(shown: HubState) -> None:
    lines = screen(shown, PROCESSES).splitlines()
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    assert len(lines) < 50


def test_what_waits_is_told_once_for_those_that_wait_alike() -> None:
    many = [waits(f"X{number}USDT", 90) for number in range(20)]
    said = " ".join(screen(state(*many, waits("SOLUSDT", 5, foreign="BTCUSDT")), PROCESSES).split())
    assert "BINANCE:X0USDT 1m, BINANCE:X10USDT 1m, BINANCE:X11USDT 1m and 17 more: no candle of 17:45" in said
    assert "for 20 groups, since 17:46 (90 min); its source does not deliver" in said
    assert "for BINANCE:BTCUSDT 1m + BINANCE:SOLUSDT 1m, since 19:11 (5 min)" in said
    assert "3 groups read a series without candles" in said


def test_it_says_what_is_wrong_and_what_was_saved() -> None:
    said = " ".join(screen(state(), PROCESSES).split())
    for text in (
        "http://127.0.0.1:65535 is degraded: event log: it does not answer",
        "the work pool of the ticks is paused",
        "no worker is online",
        "3 runs are late",
        "12 runs failed in the last 24 h; the newest, tick-1m",
        "567 to publish; webhooks 567 behind; 2 dead letters: hub events dead list",
        "BINANCE: 9 series are read, 3 current, 1 without candles",
        "evaluations 10 instead of 1,000 (99.0% saved)",
        "OKX: 1 series is read, 0 current",
        "12 conditions in error",
        "1 condition retired",
        "tick/1h has failed, last at 18:46: StoreUnreachable: word",
        "12,345 triggers up to 02:36 were judged again at 04:16: 2 differ: hub verify lists them",
    ):
        assert text in said, said
    assert "not running; start it: hub up" in screen(state(health=None), [])
