"""``hub whatif`` from the outside."""

import json
from pathlib import Path

import polars as pl
import pytest

import app_cli
from registry.conditions import Condition
from registry.store import open_store
from registry.store.parts.registry import SubscriptionRequest

TEXT = "BTCUSDT 1h: rsi(14) crosses_below 30"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: pl.DataFrame) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store("duckdb:data/store") as store:
        store.candles.upsert(sample.filter(pl.col("symbol") == "BTCUSDT", pl.col("timeframe") == "1h"))
        condition = Condition.parse(TEXT)
        store.registry.register([condition, Condition.parse("BTCUSDT 1h: close > 1")], active_from_ms=0)
        store.registry.subscribe([SubscriptionRequest("ann", "bot", condition.id, "dca", {})], active_from_ms=0)
    monkeypatch.setenv("HUB_STORE_URL", "duckdb:data/store")


@pytest.mark.usefixtures("hub")
def test_what_would_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert app_cli.run(["whatif", "--parameter", "rsi.period=21", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["registered"], shown["concerned"], shown["owners"], shown["bots"]) == (2, 1, 1, 1)
    (changed,) = shown["conditions"]
    assert changed["condition"] == f"BINANCE:{TEXT}"
    assert (changed["gone"], changed["new"]) == (shown["gone"], shown["new"])
    assert app_cli.run(["whatif", "--parameter", "rsi.period=21"]) == 0
    output = capsys.readouterr()
    assert "1 of 2 conditions are concerned." in output.out
    assert "1 bots of 1 owners" in output.out
    assert "ann" not in output.out
    assert "judging" in output.err


@pytest.mark.usefixtures("hub")
def test_what_concerns_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert app_cli.run(["whatif", "--parameter", "ema.period=21"]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "none of 2 registered conditions" in shown.err


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("arguments", [[], ["--fill-gaps", "--parameter", "rsi.period=21"]])
def test_one_change_at_a_time(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app_cli.run(["whatif", *arguments]) == 1
    assert "one thing at a time" in capsys.readouterr().err
