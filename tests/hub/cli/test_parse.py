"""``hub conditions parse``: what a condition means, without storing anything."""

import json

import pytest

import app_cli
from registry import Condition

TEXT = "btc/usdt 1h: every(close > sma(200)@4h and not rsi < 30 for 3 bars)"


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert app_cli.run(["conditions", "parse", *arguments]) == 0
    return capsys.readouterr().out


def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.rstrip() for line in shown(capsys, TEXT).splitlines()]
    condition = Condition.parse(TEXT)
    assert lines == [
        f"        text  {condition}",
        "        tree  every",
        "                all",
        "                  close > sma(200)@4h",
        "                  not",
        "                    for 3 bars",
        "                      rsi(14) < 30",
        "   canonical  BINANCE:BTCUSDT 1h: every(all(close > sma(200, close)@4h, rsi(14, close) >= 30 within 3 bars))",
        f"condition_id  {condition.id}",
        "       fires  on every candle on which it is TRUE",
        "     candles  BINANCE:BTCUSDT 1h: 17 for the first verdict, 265 until its indicators have settled",
        "              BINANCE:BTCUSDT 4h: 200 for the first verdict, 200 until its indicators have settled",
    ]


def test_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(shown(capsys, TEXT, "--json"))
    condition = Condition.parse(TEXT)
    assert Condition.parse(data["json"]) == condition
    assert Condition.parse(data["text"]) == condition
    assert (data["canonical"], data["condition_id"], data["group"]) == (
        condition.canonical,
        condition.id,
        "BINANCE:BTCUSDT 1h + BINANCE:BTCUSDT 4h",
    )
    assert data["momentary"] is True
    assert data["series"] == [
        {"series": "BINANCE:BTCUSDT 1h", "lookback": 16, "settle": 265},
        {"series": "BINANCE:BTCUSDT 4h", "lookback": 199, "settle": 199},
    ]
    assert data["instruments"] == ["BINANCE:BTCUSDT"]


def test_a_state_fires_when_it_becomes_true(capsys: pytest.CaptureFixture[str]) -> None:
    assert "when it becomes TRUE" in shown(capsys, "BTCUSDT 1h: rsi < 30")


def test_settling_that_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    text = "BTCUSDT 1h: roc(10, rsi(14)) > 1"
    assert "25 for the first verdict, and it is not known when its indicators have settled" in shown(capsys, text)
    assert json.loads(shown(capsys, text, "--json"))["series"][0]["settle"] is None
