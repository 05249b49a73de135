"""Analysts ask with frames and times as they have them, and get what the hub would say."""

from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest

import analysis
from common.errors import CandlesMissing, TimeFormatError
from common.timeframes import Moment, read_moment, to_ms

TEXT = "BTCUSDT 1h: rsi(14) crosses_below 30"
DAY = to_ms(datetime(2024, 8, 5, tzinfo=UTC))


@pytest.fixture
def hourly(sample: pl.DataFrame) -> pl.DataFrame:
    return sample.filter(
        (pl.col("symbol") == "BTCUSDT")
        & (pl.col("timeframe") == "1h")
        & pl.col("open_time").is_between(datetime(2024, 7, 1, tzinfo=UTC), datetime(2024, 8, 10, tzinfo=UTC))
    )


@pytest.mark.parametrize(
    "moment",
    [
        date(2024, 8, 5),
        datetime(2024, 8, 5),  # noqa: DTZ001 - UTC is what it is taken for
        datetime(2024, 8, 5, tzinfo=UTC),
        datetime(2024, 8, 5, 2, tzinfo=timezone(timedelta(hours=2))),
        "2024-08-05",
        "2024-08-05T02:00+02:00",
        DAY,
    ],
)
def test_a_moment_is_what_a_person_writes(moment: Moment) -> None:
    assert read_moment(moment) == DAY


@pytest.mark.parametrize("moment", ["yesterday", 1.5, True, timedelta(1)])
def test_what_is_no_moment(moment: object) -> None:
    with pytest.raises(TimeFormatError):
        read_moment(moment)  # type: ignore[arg-type]


def test_a_preview_is_a_part_of_the_scan(hourly: pl.DataFrame) -> None:
    closes = pl.col("close_time").dt.epoch("ms")
    rows = analysis.scan(TEXT, hourly).filter(closes > DAY - 4 * 86_400_000, closes <= DAY)
    shown = analysis.preview(TEXT, hourly, start=date(2024, 8, 1), end="2024-08-05")
    assert shown.triggers == rows.height > 0
    assert shown.candles == 96
    assert [trigger.close_time for trigger in reversed(shown.last)] == rows["close_time"].dt.epoch("ms").to_list()
    assert [trigger.price for trigger in reversed(shown.last)] == rows["price"].to_list()
    newest = analysis.preview(TEXT, hourly, start=date(2024, 8, 1), end="2024-08-05", last=1)
    assert newest.last == shown.last[:1]
    assert newest.triggers == shown.triggers
    assert "triggers on 96 candles" in shown._repr_html_()


def test_an_explanation_of_any_time(hourly: pl.DataFrame) -> None:
    (first, *_) = analysis.preview(TEXT, hourly, start="2024-08-01").last
    shown = analysis.explain(TEXT, hourly.to_pandas(), at=datetime.fromtimestamp(first.close_time / 1000, tz=UTC))
    assert shown.fires
    assert (shown.close_time, shown.price) == (first.close_time, first.price)
    assert not analysis.explain(TEXT, hourly, at="2024-08-01").fires
    assert "fires: TRUE" in shown._repr_html_()


def test_what_cannot_be_answered(hourly: pl.DataFrame) -> None:
    with pytest.raises(TimeFormatError, match="is not before end"):
        analysis.preview(TEXT, hourly, start="2024-08-05", end=date(2024, 8, 5))
    with pytest.raises(TimeFormatError, match="'soon' cannot be read"):
        analysis.explain(TEXT, hourly, at="soon")
    with pytest.raises(CandlesMissing, match="ETHUSDT"):
        analysis.preview("ETHUSDT 1h: close > 1", hourly)
