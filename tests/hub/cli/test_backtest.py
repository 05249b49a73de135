"""``hub backtest``: a report on the stored candles, for people in 80 columns and for machines."""

import json
from pathlib import Path

import polars as pl
import pytest

import app_cli
from candles.sample import SAMPLE_FILES
from registry.store import open_store

TEXT = "BTCUSDT 1h: rsi(14) crosses_below 30"


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    candles = pl.read_parquet(SAMPLE_FILES[1]).filter(pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"]))
    with open_store(f"duckdb:{tmp_path / 'data' / 'store'}") as store:
        store.candles.upsert(candles.with_columns(pl.lit("BINANCE").alias("exchange")))


def shown(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    assert app_cli.run(["backtest", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_a_report_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = shown(capsys, TEXT, "--stop", "3", "--target", "4", "--since", "2024-02-01")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    told = " ".join(lines[:2])
    assert told.startswith("rules: long, entry at the next open, exit at a stop 3 % away or at a target 4 % away; fee")
    assert any(line.startswith("  verdict   this is what noise gives") for line in lines)
    assert any(line.startswith("  range     2024-02-01T00:00:00Z") for line in lines)


def test_a_report_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = shown(capsys, TEXT, "--json", "--horizons", "2,8")
    (told,) = json.loads(out)["conditions"]
    assert told["start"] == "2024-01-01T00:00:00Z"
    assert told["triggers"] == 87
    assert told["trades"] > 30
    assert [row["horizon"] for row in told["forward"]] == [2, 8]
    assert told["verdict"] == "this is what noise gives"


def test_a_condition_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    spelling = {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "RSI", "operator": "crosses_below", "value": 30}
    out, _ = shown(capsys, json.dumps(spelling), "--json")
    assert json.loads(out)["conditions"][0]["triggers"] == 87


def test_what_was_tried_before_counts(capsys: pytest.CaptureFixture[str]) -> None:
    shown(capsys, "BTCUSDT 1h: rsi({period}) < 30", "--vary", "period=5:20")
    out, _ = shown(capsys, TEXT, "--json")
    (told,) = json.loads(out)["conditions"]
    assert told["trials"] == 17
    assert 1 < told["independent_trials"] <= 17


def test_every_combination_of_a_template(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("{symbol} 1h: rsi({period}) < {level}", "--vary", "symbol=BTCUSDT,ETHUSDT", "--vary", "period=5:7")
    out, _ = shown(capsys, *arguments, "--vary", "level=20:30:5", "--json")
    told = json.loads(out)
    assert len(told["combinations"]) == 18
    assert {row["level"] for row in told["combinations"]} == {20, 25, 30}
    assert [part["series"] for part in told["series"]] == ["BINANCE:BTCUSDT 1h", "BINANCE:ETHUSDT 1h"]
    out, err = shown(capsys, *arguments, "--vary", "level=20:30:5")
    assert max(map(len, out.splitlines())) <= 80
    assert "18 combinations: the best of them is what noise gives" in out
    assert "2 of 2 parts judged" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["BTCUSDT 1h: rsj(14) < 30"], "did you mean rsi"),
        (["SOLUSDT 1h: rsi(14) < 30"], "no candles of BINANCE:SOLUSDT 1h; import some: hub candles import FILE"),
        ([TEXT, "--since", "2030-01-01"], "has 0 candles in the range"),
        ([TEXT, "--stop", "-1"], "stop_percent is -1.0"),
        ([TEXT, "--horizons", "one"], "write numbers of candles"),
        (["BTCUSDT 1h: rsi({period}) < 30"], "has no parameters"),
        (["BTCUSDT 1h: rsi({period}) < 30", "--vary", "periods=2:9"], "did you mean period"),
        (["BTCUSDT 1h: rsi({period}) < 30", "--vary", "period"], "write period=5:30"),
        (["BTCUSDT 1h: rsi({period}) < 30", "--vary", "period=9:2"], "a range goes up"),
        (["BTCUSDT 1h: rsi({period}) < 30", "--vary", "period=a:b"], "is no range"),
    ],
)
def test_what_cannot_be_done(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capsys, *arguments, code=1)
    assert out == ""
    assert says in err
