"""Exported candles: what is judged, with the time at which each closes, and readable by the import."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import app_cli
from candles.exporting import exported
from candles.series import SeriesReader
from common.errors import CandlesMissing
from common.grids import Grid
from common.timeframes import to_ms
from registry.groups import Series
from registry.instruments import Listing, normalise_instrument
from registry.store.files.file_store import FileStore

BTC = Series.parse("BINANCE:BTCUSDT 1h")


@pytest.fixture
def hours(sample: pl.DataFrame) -> pl.DataFrame:
    """The first 500 hours of one pair."""
    return sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(500)


def test_built_candles_close_where_their_slots_end(store: FileStore, hours: pl.DataFrame) -> None:
    listing = Listing(normalise_instrument("BTCUSDT", "BINANCE"), grid=Grid.parse("EET"))
    store.candles.list_instruments([listing])
    store.candles.upsert(hours)
    reader = SeriesReader.of(store)
    days = pl.concat(exported(reader, BTC.at("1d")))
    assert days["open_time"].dt.hour().unique().to_list() == [22]
    assert (days["close_time"] == days["open_time"].shift(-1)).head(days.height - 1).all()
    since, until = (to_ms(datetime(2024, 1, day, 7, tzinfo=UTC)) for day in (4, 6))
    some = pl.concat(exported(reader, BTC, since, until))
    assert some["open_time"].dt.epoch("ms").to_list() == list(range(since, until, 3_600_000))
    with pytest.raises(CandlesMissing, match="hub candles list"):
        list(exported(reader, Series.parse("BINANCE:NOPEUSDT 1h")))


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_an_export_comes_back_unchanged(
    suffix: str,
    hours: pl.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    hours.write_parquet("hours.parquet")
    for folder in ("first", "second"):
        monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / folder))
        file = "hours.parquet" if folder == "first" else f"out.{suffix}"
        assert app_cli.run(["candles", "import", file]) == 0
        capsys.readouterr()
        assert app_cli.run(["candles", "export", "BTCUSDT 1h", "--to", f"out.{suffix}", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"file": f"out.{suffix}", "candles": 500}
        with FileStore(tmp_path / folder / "store", read_only=True) as opened:
            kept = opened.candles.between(BTC, 0, 2**42)
        assert kept.select(hours.columns).equals(hours)


def test_what_cannot_be_written_says_why(
    hours: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    hours.write_parquet("hours.parquet")
    app_cli.run(["candles", "import", "hours.parquet"])
    for arguments, words in (
        (("BTCUSDT 1h", "--to", "out.xyz"), "use one of .csv (CSV)"),
        (("BTCUSDT 1h", "--to", "no/such/folder/out.csv"), "cannot write no/such/folder/out.csv"),
        (("ETHUSDT 1h", "--to", "out.csv"), "no candles of BINANCE:ETHUSDT 1h"),
        (("BTCUSDT 1h", "--to", "out.csv", "--since", "2030-01-01"), "has no candles in that time"),
    ):
        assert app_cli.run(["candles", "export", *arguments]) == 1
        assert words in capsys.readouterr().err
        assert not list(tmp_path.glob("*out*"))
