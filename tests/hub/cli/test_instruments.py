"""``hub instruments``, and names of every shape on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from registry import Condition
from tests.hub.cli.test_audit import Run


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    return Run(capsys)


def listed(shell: Run) -> dict[str, dict[str, Any]]:
    return {one["instrument"]: one for one in json.loads(shell("instruments", "list", "--json")[1])}


@pytest.mark.parametrize(
    ("name", "alias", "text", "series"),
    [
        ("OKX:BTCUSDT.P", "BTC-USDT-SWAP", "OKX:BTC-USDT-SWAP 1h", "OKX:BTCUSDT.P 1h"),
        ("OKX:BTC/USD:BTC", "BTC-USD-SWAP", "OKX:btc-usd-swap 60", "OKX:BTCUSD.P:BTC 1h"),
        ("NSE:MM", "M&M", "NSE:M&M D", "NSE:MM 1d"),
        ("NSE:BAJAJ-AUTO", "BAJAJ-AUTO", '"NSE:BAJAJ-AUTO" 1d', "NSE:BAJAJAUTO 1d"),
        ("NYSE:BRK.B", "BRK/B", "NYSE:BRK/B W", "NYSE:BRK.B 1w"),
        ("CME:ES-20250321", "CME_MINI:ESH2025", "CME_MINI:ESH2025 H4", "CME:ES-20250321 4h"),
        ("INDEX:NYA", "^NYA index", '"INDEX:^nya INDEX" 1d', "INDEX:NYA 1d"),
        ("币安人生/USDT", "LIFE!", "币安人生USDT 15", "BINANCE:币安人生USDT 15m"),
    ],
)
def test_an_alias_of_any_shape_is_usable(shell: Run, name: str, alias: str, text: str, series: str) -> None:
    code, out, err = shell("instruments", "add", name, "--alias", alias)
    assert (code, out) == (0, f"{series.split(maxsplit=1)[0]}\n"), err
    assert "it has no candles yet" in err
    code, condition_id, err = shell("conditions", "register", f"{text}: close > 5")
    assert (code, condition_id.strip()) == (0, Condition.parse(f"{series}: close > 5").id), err
    assert f"no candles of {series} yet" in err
    parsed = json.loads(shell("conditions", "parse", f"{text}: close > 5", "--json")[1])
    assert parsed["canonical"] == f"{series}: close > 5"
    assert shell("candles", "gaps", text.replace('"', ""))[0] == 0


def test_what_is_known_is_set_and_listed(shell: Run) -> None:
    assert shell("instruments", "add", "NSE:M&M", "--alias", "MAHINDRA", "--first-candle", "1996-01-01")[0] == 0
    assert shell("instruments", "add", "NSE:M&M", "--alias", "M_M")[0] == 0
    code, out, err = shell(
        *("instruments", "set", "NSE:MAHINDRA", "--grid", "Asia/Kolkata, session 09:15-15:30"),
        *("--calendar", "sessions", "--tick-size", "0.05", "--lot-size", "1", "--json"),
    )
    assert code == 0, err
    one = listed(shell)["NSE:M&M"]
    assert json.loads(out) == one | {"changed": True}
    expected = {
        "kind": "spot", "base": None, "quote": None, "settle": None, "expiry": None, "calendar": "sessions",
        "grid": "Asia/Kolkata, session 09:15-15:30", "aliases": ["MAHINDRA", "M_M"],
    }  # fmt: skip
    assert one | expected == one
    table = shell("instruments", "list")[1]
    assert "Asia/Kolkata, session 09:15-15:30" in table
    assert shell("instruments", "set", "NSE:M&M", "--alias", "MM")[0] == 0
    assert listed(shell)["NSE:M&M"]["aliases"] == ["MM"]
    assert shell("instruments", "set", "NSE:M&M", "--no-alias")[0] == 0
    assert listed(shell)["NSE:M&M"] == one | {"aliases": []}


def test_only_what_is_known_is_set(shell: Run) -> None:
    assert shell("instruments", "add", "BTC/USDT:USDT-250328")[0] == 0
    code, _, err = shell("instruments", "set", "BTCUSDT-20250329", "--tick-size", "1")
    assert code == 1
    assert "did you mean BINANCE:BTCUSDT-20250328" in err
    assert "hub instruments add BINANCE:BTCUSDT-20250329" in err
    one = listed(shell)["BINANCE:BTCUSDT-20250328"]
    assert (one["kind"], one["base"], one["quote"], one["expiry"]) == ("dated", "BTC", "USDT", "2025-03-28")
    for option, value, says in (
        ("--grid", "America/New_Yorc", "did you mean America/New_York"),
        ("--grid", "session 9-16", "is no part of a grid"),
        ("--tick-size", "0", "above 0"),
        ("--first-candle", "soon", "cannot be read"),
        ("--alias", 'A"B', "cannot be written"),
    ):
        code, _, err = shell("instruments", "set", "BTCUSDT-20250328", option, value)
        assert code == 1
        assert says in err


def test_two_splits_are_told_apart(shell: Run) -> None:
    assert shell("instruments", "add", "X/YZ")[1] == "BINANCE:XYZ\n"
    assert shell("instruments", "add", "XY/Z")[1] == "BINANCE:XY/Z\n"
    code, _, err = shell("conditions", "register", "XYZ 1h: close > 5")
    assert code == 1
    assert "BINANCE:XY/Z or BINANCE:X/YZ" in err
    for text, series in (("X/YZ", "BINANCE:XYZ"), ("XY/Z", "BINANCE:XY/Z")):
        code, _, err = shell("conditions", "register", f"{text} 1h: close > 5")
        assert code == 0, err
        registered = json.loads(shell("conditions", "list", "--json")[1])
        assert {one["condition"] for one in registered} >= {f"{series} 1h: close > 5"}


def test_inverse_and_linear_contracts_are_imported_apart(shell: Run, tmp_path: Path) -> None:
    rows = ["symbol,timeframe,timestamp,open,high,low,close,volume"]
    rows += [f"{symbol},1h,1699999200,100,101,99,100,5" for symbol in ("ETH/USD:ETH", "ETH/USD:USD", "ETH/USD")]
    (tmp_path / "three.csv").write_text("\n".join(rows))
    code, out, err = shell("candles", "import", str(tmp_path / "three.csv"), "--json")
    assert code == 0, err
    assert set(json.loads(out)[0]["series"]) == {
        "BINANCE:ETHUSD 1h", "BINANCE:ETHUSD.P 1h", "BINANCE:ETHUSD.P:ETH 1h"
    }  # fmt: skip
    ids = {shell("conditions", "register", f"{name} 1h: close > 5")[1] for name in ("ETH/USD:ETH", "ETH/USD:USD")}
    assert len(ids) == 2
