"""Real files with real defects, as exchanges, archives and bug reports supplied them."""

from pathlib import Path

import pytest

from candles import reasons
from candles.quality import CheckedCandles, Gap, check, gaps_between
from common.errors import CandleFileError
from common.timeframes import show_time, to_ms
from registry.groups import Series
from tests.candles.files.reading import read

AFTER = 1_783_000_000_000  # 2026-07


def judge(path: Path, *, now_ms: int = AFTER, **options: str) -> CheckedCandles:
    return check(read(path, **options), now_ms=now_ms)


def span(checked: CheckedCandles) -> tuple[str, str]:
    times = checked.candles["open_time"]
    return show_time(to_ms(times[0])), show_time(to_ms(times[-1]))


def counts(checked: CheckedCandles) -> dict[str, int]:
    return dict(checked.quarantined["reason"].value_counts().iter_rows())


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("BTCUSDT-1h-2024-12.csv", "2024-12-01 00:00", "2024-12-31 23:00"),  # milliseconds
        ("BTCUSDT-1h-2025-01.csv", "2025-01-01 00:00", "2025-01-31 23:00"),  # microseconds
        ("ETHUSDT-1h-2025-01.csv", "2025-01-01 00:00", "2025-01-31 23:00"),
    ],
)
def test_binance_dumps_in_both_units(raw_folder: Path, name: str, first: str, last: str) -> None:
    checked = judge(raw_folder / "binance_vision" / name)
    assert checked.candles.height == 744
    assert counts(checked) == {}
    assert gaps_between(checked.candles) == ()
    assert checked.notes == ()
    assert span(checked) == (first, last)
    assert checked.candles["symbol"].unique().to_list() == [name[:7]]


def test_an_exchange_outage(raw_folder: Path) -> None:
    checked = judge(raw_folder / "binance_vision" / "BTCUSDT-1h-2023-03.csv")
    assert checked.candles.height == 743
    assert gaps_between(checked.candles) == (Gap(Series.parse("BINANCE:BTCUSDT 1h"), 1_679_662_800_000, 1),)
    assert show_time(gaps_between(checked.candles)[0].first_missing_ms) == "2023-03-24 13:00"


def test_freqtrade_files(raw_folder: Path) -> None:
    folder = raw_folder / "freqtrade"
    outages = judge(folder / "BTC_USDT-1h.json")
    assert len(gaps_between(outages.candles)) == 6
    assert show_time(gaps_between(outages.candles)[0].first_missing_ms) == "2020-12-21 15:00"
    ada = judge(folder / "ADA_BTC-5m.feather")
    assert (len(gaps_between(ada.candles)), sum(gap.missing for gap in gaps_between(ada.candles))) == (5, 40)
    assert max(gap.missing for gap in gaps_between(ada.candles)) == 33
    thin = judge(folder / "XRP_ETH-1m.feather")
    assert (thin.candles.height, sum(gap.missing for gap in gaps_between(thin.candles))) == (2_469, 1_091)
    weeks = judge(folder / "BTC_USDT-1w.feather")
    assert counts(weeks) == {}
    assert gaps_between(weeks.candles) == ()
    assert {moment.weekday() for moment in weeks.candles["open_time"]} == {0}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("freqtrade/UNITTEST_BTC-8m.feather", "the file is empty"),
        ("freqtrade/NOPAIR_XXX-4m.json", "the file contains no rows"),
        ("freqtrade/UNITTEST_BTC-8m.json.gz", "timeframe '8m' is not supported"),
        ("freqtrade/XRP_ETH-trades.parquet", "no column for open, high, low, close, volume"),
        ("freqtrade/kraken_BCHEUR_q1.csv", "the file has 3 columns without a header"),
        ("other/nautilus_truefx_usdjpy-ticks.csv", "the file has timestamp, bid, ask"),
        ("other/backtrader_2006-01-02-volume-min-001.head3000.txt", "the header names 7 columns"),
    ],
)
def test_files_that_are_not_candles(raw_folder: Path, name: str, message: str) -> None:
    with pytest.raises(CandleFileError, match=message):
        judge(raw_folder / name)


def test_only_the_still_open_candle_differs_between_two_fetches(raw_folder: Path) -> None:
    for name in ("ADAUSDT_60m", "BTCUSDT_15m", "BTCUSDT_60m", "DOTUSDT_240m", "ETHUSDT_30m"):
        first = read(raw_folder / "bybit_revisions" / "fetch1" / f"{name}.csv", exchange="BYBIT")
        # The clock of the first fetch, a minute after its last candle opened.
        at_fetch = to_ms(first.rows["open_time"].max()) + 60_000  # type: ignore[arg-type]
        before = check(first, now_ms=at_fetch)
        assert counts(before) == {reasons.STILL_OPEN: 1}
        after = judge(raw_folder / "bybit_revisions" / "fetch2" / f"{name}.csv", exchange="BYBIT")
        key = ["exchange", "symbol", "timeframe", "open_time"]
        both = before.candles.join(after.candles, on=key)
        same = before.candles.join(after.candles, on=before.candles.columns)
        assert both.height == same.height > 100


def test_an_unclosed_last_row(raw_folder: Path) -> None:
    # The file was fetched during 2026-01-05.
    checked = judge(raw_folder / "other" / "etna_BTCUSDT_1d_unclosed_last.csv", now_ms=1_767_600_000_000)
    assert checked.candles.height == 3_063
    assert counts(checked) == {reasons.STILL_OPEN: 1}
    assert span(checked) == ("2017-08-17 00:00", "2026-01-04 00:00")
    assert checked.quarantined["volume"].to_list() == [8671.37747]


def test_a_deliberately_broken_file(raw_folder: Path) -> None:
    checked = judge(raw_folder / "other" / "skender_bad.csv", symbol="SPY", timeframe="1d", exchange="ARCA")
    assert checked.candles.height + checked.quarantined.height + checked.untraded == 502
    by_reason = counts(checked)
    assert by_reason[reasons.ALL_ZERO] == 51
    assert checked.untraded == 51, "dates without prices"
    assert by_reason[reasons.HIGH_BELOW_LOW] == 2
    by_line = dict(checked.quarantined.select("line", "reason").iter_rows())
    assert by_line[358] == reasons.PRICE_NOT_POSITIVE
    assert by_line[362] == by_line[363] == reasons.HIGH_BELOW_LOW


def test_an_unsorted_file(raw_folder: Path) -> None:
    path = raw_folder / "other" / "skender_mismatch_unsorted.csv"
    checked = judge(path, symbol="SPY", timeframe="1d", exchange="ARCA")
    assert (read(path, symbol="SPY", timeframe="1d").rows["open_time"].diff().dt.total_days() < 0).sum() == 4
    assert checked.candles.height == 502
    assert checked.candles["open_time"].is_sorted()


def test_byte_order_mark_and_naive_times(raw_folder: Path) -> None:
    checked = judge(raw_folder / "other" / "skender_intraday_ET_bom.csv", symbol="SPY", timeframe="1m")
    assert (checked.candles.height, len(gaps_between(checked.candles))) == (1_564, 3)
    assert checked.notes == ("times without an offset were taken as UTC",)
    assert span(checked) == ("2020-12-15 09:30", "2020-12-18 16:00")


def test_offsets_become_utc(raw_folder: Path) -> None:
    checked = judge(raw_folder / "other" / "skender_issue0859_offset0530.csv", symbol="NIFTY", timeframe="3m")
    assert checked.candles.height == 595
    assert checked.notes == ()
    assert span(checked)[0] == "2022-07-25 03:45"


def test_other_shapes(raw_folder: Path) -> None:
    folder = raw_folder / "other"
    unnamed = judge(folder / "bt_EURUSD.csv", symbol="EURUSD", timeframe="1h", exchange="FXCM")
    assert (unnamed.candles.height, len(gaps_between(unnamed.candles))) == (5_000, 42)
    split = judge(folder / "backtrader_2006-min-005.txt", symbol="DAX", timeframe="5m", exchange="EUREX")
    assert split.candles.height == 2_142
    assert span(split) == ("2006-01-02 09:05", "2006-01-30 17:30")
    wide = judge(folder / "geraldleevs_BTCUSDT_4h.csv", symbol="BTCUSDT", timeframe="4h")
    assert (wide.candles.height, gaps_between(wide.candles), counts(wide)) == (2_238, (), {})
