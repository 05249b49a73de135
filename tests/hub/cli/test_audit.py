"""Commands that look back: explain, verify, revisions, rebase."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import app_cli
from common.clock import ReplayClock
from common.timeframes import to_ms
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.store import open_store
from tests.events.log.memory_log import MemoryLog

HOUR = 3_600_000
DAY_MS = to_ms(datetime(2024, 8, 5, tzinfo=UTC))
TEXT = "BTCUSDT 1h: every(rsi(14) < 30 and close < sma(20))"
Shell = tuple[int, str, str]


class Run:
    """Runs a command line in this process: (exit code, stdout, stderr)."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Shell:
        code = app_cli.run(list(arguments))
        shown = self._capsys.readouterr()
        return code, shown.out, shown.err


@pytest.fixture
def hourly(sample: pl.DataFrame) -> pl.DataFrame:
    return sample.filter(
        (pl.col("symbol") == "BTCUSDT")
        & (pl.col("timeframe") == "1h")
        & pl.col("open_time").is_between(datetime(2024, 7, 20, tzinfo=UTC), datetime(2024, 8, 5, 11, tzinfo=UTC))
    ).sort("open_time")


@pytest.fixture
def hub(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hourly: pl.DataFrame
) -> Run:
    """A store in which one condition has been judged on the morning of the crash."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    clock = ReplayClock(DAY_MS)
    with open_store("duckdb:data/store", clock=clock) as store:
        store.candles.upsert(hourly)
        store.registry.register([Condition.parse(TEXT)], active_from_ms=DAY_MS)
        asyncio.run(advance(Runtime(store, MemoryLog(), clock), "1h", DAY_MS + 12 * HOUR))
        assert store.triggers.last_seq() > 0
    return Run(capsys)


def correct(hourly: pl.DataFrame) -> None:
    with open_store("duckdb:data/store") as store:
        last = hourly.tail(6).with_columns(pl.col("close") * 1.2, pl.col("high") * 1.2)
        assert store.candles.upsert(last).revised == 6


def test_explain_by_text_and_by_id(hub: Run) -> None:
    condition = Condition.parse(TEXT)
    code, by_text, err = hub("conditions", "explain", TEXT, "--at", "2024-08-05 02:00")
    assert (code, err) == (0, "")
    assert hub("conditions", "explain", condition.id, "--at", "2024-08-05T02:00+00:00")[1] == by_text
    assert "\nfires: TRUE, one step before TRUE" in by_text
    assert "rsi(14) less 30:" in by_text
    assert "candle from 2024-08-05 01:00 to 2024-08-05 02:00 UTC" in by_text


def test_explain_agrees_with_what_is_recorded(hub: Run) -> None:
    fired = 0
    for hour in range(1, 13):
        code, out, _ = hub("conditions", "explain", TEXT, "--at", f"2024-08-05 {hour:02}:00", "--json")
        shown = json.loads(out)
        assert code == 0
        assert shown["fires"] == shown["hub"]["recorded"]
        fired += shown["fires"]
    assert fired > 0
    _, out, _ = hub("conditions", "explain", TEXT, "--at", "2024-08-04 20:00", "--json")
    assert "active since 2024-08-05 00:00" in json.loads(out)["hub"]["notes"][0]
    _, out, _ = hub("conditions", "explain", "BTCUSDT 1h: close > 1", "--json")
    assert "not registered" in json.loads(out)["hub"]["notes"][0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("conditions", "explain", TEXT, "--at", "yesterday"), "2024-08-05 01:15"),
        (("conditions", "explain", "SOLUSDT 1h: close > 1"), "BINANCE:SOLUSDT 1h"),
        (("verify", "--since", "x"), "cannot be read"),
        (("verify", "BTCUSDT 1h: close > 1"), "is not registered; hub conditions list"),
        (("explain", "8c1f"), "is no id of a trigger"),
        (("explain", "8c1f:1722852000000"), "hub conditions explain 8c1f --at 2024-08-05T10:00:00Z"),
        (("candles", "rebase", "BTCUSDT"), "BTCUSDT 1h"),
        (("candles", "rebase", "SOLUSDT 1h"), "has not been judged"),
        (("candles", "revisions", "BTCUSDT 7m"), "7m"),
    ],
)
def test_what_cannot_be_done(hub: Run, arguments: tuple[str, ...], says: str) -> None:
    code, _, err = hub(*arguments)
    assert code == 1
    assert says in err


def test_verify_agrees_or_fails(hub: Run) -> None:
    code, out, err = hub("verify")
    assert (code, err) == (0, "")
    assert "0 differ" in out
    with open_store("duckdb:data/store") as store, store._database.transaction() as transaction:  # type: ignore[attr-defined]
        transaction.execute("DELETE FROM registry.condition_triggers WHERE seq = 1")
    code, out, err = hub("verify", "--json")
    shown = json.loads(out)
    assert code == 1
    assert err.startswith("error: 1 of ")
    assert [difference["kind"] for difference in shown["differences"]] == ["missing"]
    code, out, _ = hub("verify")
    assert code == 1
    assert "not recorded" in out
    assert hub("verify", "--until", "2024-08-05 00:30")[0] == 0


def test_verify_of_one_condition_by_another_path(hub: Run) -> None:
    condition_id = Condition.parse(TEXT).id
    code, out, err = hub("verify", condition_id, "--json")
    whole = json.loads(hub("verify", "--json")[1])
    assert (code, err) == (0, "")
    assert json.loads(out) == whole
    assert whole["triggers"] > 0
    assert hub("verify", TEXT)[0] == 0
    with open_store("duckdb:data/store") as store, store._database.transaction() as transaction:  # type: ignore[attr-defined]
        transaction.execute("UPDATE registry.condition_triggers SET price = price + 1 WHERE seq = 1")
        transaction.execute("DELETE FROM registry.condition_triggers WHERE seq = 2")
    code, out, err = hub("verify", condition_id, "--json")
    assert code == 1
    assert [difference["kind"] for difference in json.loads(out)["differences"]] == ["different", "missing"]
    assert hub("verify", condition_id, "--until", "2024-08-05 00:30")[0] == 0


def test_verify_of_one_condition_does_not_use_the_scan(hub: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise AssertionError("the scan was asked")

    monkeypatch.setattr("analysis.audit.scan", broken)
    monkeypatch.setattr("engine.history_truths.import_history_kernels", broken)
    assert hub("verify", Condition.parse(TEXT).id)[0] == 0


def test_explain_a_recorded_trigger(hub: Run) -> None:
    with open_store("duckdb:data/store") as store:
        (trigger,) = store.triggers.after(0, 1).to_dicts()
    code, out, err = hub("explain", trigger["trigger_id"], "--json")
    shown = json.loads(out)
    assert (code, err) == (0, "")
    assert (shown["seq"], shown["recorded"]["price"]) == (1, trigger["price"])
    assert shown["recorded"]["values"] == json.loads(trigger["values"])
    assert shown["explanation"]["fires"]
    assert shown["explanation"]["price"] == trigger["price"]
    code, out, _ = hub("explain", trigger["trigger_id"])
    assert code == 0
    assert out.startswith("trigger 1, recorded at ")
    assert "\nfires: TRUE" in out
    later = f"{trigger['condition_id']}:{DAY_MS + 90 * HOUR}"
    code, _, err = hub("explain", later)
    assert code == 1
    assert f"why not says: hub conditions explain {trigger['condition_id']} --at 2024-08-08T18:00:00Z" in err


def test_revisions_are_listed_and_taken(hub: Run, hourly: pl.DataFrame) -> None:
    code, out, err = hub("candles", "revisions")
    assert (code, out) == (0, "")
    assert "No revisions" in err
    correct(hourly)
    code, out, _ = hub("candles", "revisions", "btc/usdt 60m", "--json")
    assert len(json.loads(out)) == 6
    code, out, _ = hub("candles", "revisions")
    assert code == 0
    assert out.count("pending") == 6
    code, out, _ = hub("verify")
    assert code == 0, "what a correction would have changed is no error"
    assert "For information" in out
    code, out, err = hub("candles", "rebase", "BTCUSDT 1h")
    assert (code, out) == (1, "")
    assert "--yes" in err
    code, out, err = hub("candles", "rebase", "BTCUSDT 1h", "--yes", "--json")
    assert (code, json.loads(out)["candles_changed"]) == (0, 6)
    assert "6 corrected candles of BINANCE:BTCUSDT 1h" in err
    code, out, _ = hub("verify")
    assert code == 0
    assert "For information" not in out
    assert hub("verify", TEXT)[0] == 0, "each part of the time from the candles of then"
    _, out, _ = hub("conditions", "explain", TEXT, "--at", "2024-08-05 12:00", "--json")
    assert json.loads(out)["price"] == hourly["close"][-1], "what was judged then"


def test_verify_of_an_empty_store(hub: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "other"))
    with open_store("duckdb:other/store"):
        pass
    code, out, err = hub("verify")
    assert (code, out) == (0, "")
    assert "hub tick" in err
