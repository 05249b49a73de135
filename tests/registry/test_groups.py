"""Series and groups are strings that know their parts, however they are made, copied or sent."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InstrumentError, TimeframeError
from common.timeframes import DURATION_MS
from registry.conditions import Condition
from registry.groups import Group, Series, series_of
from registry.instruments import Instrument

instruments = st.builds(
    Instrument,
    st.from_regex(r"[A-Z][A-Z0-9_]{0,19}", fullmatch=True),
    st.from_regex(r"[A-Z0-9]{1,20}(\.[A-Z0-9]{1,4})?", fullmatch=True),
)
all_series = st.builds(Series, instruments, st.sampled_from(list(DURATION_MS)))
groups = st.lists(all_series, min_size=1, max_size=5, unique=True).map(Group)


@given(all_series)
def test_a_series_reads_back_from_its_text(series: Series) -> None:
    again = Series.parse(str(series))
    assert (again, again.instrument, again.timeframe) == (series, series.instrument, series.timeframe)
    assert str(series) == f"{series.instrument} {series.timeframe}"
    assert series_of(series.instrument.exchange, series.instrument.symbol, series.timeframe) == series
    assert Series.parse(series) is series


@given(groups)
def test_a_group_reads_back_from_its_text(group: Group) -> None:
    again = Group.parse(str(group))
    assert (again, again.series, again.base) == (group, group.series, group.series[0])
    assert [(part.instrument, part.timeframe) for part in again.series] == [
        (part.instrument, part.timeframe) for part in group.series
    ]
    assert str(group) == " + ".join(group.series)
    assert Group.parse(group) is group


@given(groups)
def test_copies_keep_the_parts(group: Group) -> None:
    for again in (pickle.loads(pickle.dumps(group)), copy.copy(group), copy.deepcopy(group)):
        assert isinstance(again, Group)
        assert (again, again.series) == (group, group.series)
        assert [type(series) for series in again.series] == [Series] * len(group.series)
        assert again.base.instrument == group.base.instrument
    base = group.base
    for copied in (pickle.loads(pickle.dumps(base)), copy.copy(base), copy.deepcopy(base)):
        assert isinstance(copied, Series)
        assert (copied, copied.instrument, copied.timeframe) == (base, base.instrument, base.timeframe)


@given(groups, st.sampled_from(list(DURATION_MS)))
def test_another_timeframe_has_the_same_instrument(group: Group, timeframe: str) -> None:
    series = group.base.at(timeframe)
    assert (series.instrument, series.timeframe) == (group.base.instrument, timeframe)
    assert str(series) == f"{group.base.instrument} {timeframe}"
    assert group.base.at(group.base.timeframe) == group.base


def test_they_are_texts() -> None:
    series, group = Series.parse("BINANCE:ETHUSDT 15m"), Group.parse("BINANCE:ETHUSDT 15m + BINANCE:BTCUSDT 1h")
    by_text: dict[str, int] = {series: 1, group: 2}
    assert by_text["BINANCE:ETHUSDT 15m"] == 1
    assert by_text["BINANCE:ETHUSDT 15m + BINANCE:BTCUSDT 1h"] == 2
    alone = Group([series])
    assert str(alone) == str(series), "a group of one series has its text"
    assert (repr(series), repr(alone)) == ("Series('BINANCE:ETHUSDT 15m')", "Group('BINANCE:ETHUSDT 15m')")


def test_timeframes_are_normalised() -> None:
    assert Series.parse("BINANCE:BTCUSDT 60m") == Series.parse("BINANCE:BTCUSDT 1h")
    assert Series.parse("BINANCE:BTCUSDT 60m").timeframe == "1h"


def test_a_condition_knows_its_group() -> None:
    condition = Condition.parse("ETHUSDT 15m: close > sma(20)@4h and close@BTCUSDT > 1")
    assert condition.group == "BINANCE:ETHUSDT 15m + BINANCE:BTCUSDT 15m + BINANCE:ETHUSDT 4h"
    assert condition.group.series == condition.all_series
    assert condition.group.base == condition.series


@pytest.mark.parametrize("text", ["", " ", "BTCUSDT 1h", ":BTCUSDT 1h", "BINANCE: 1h", "1h", "BINANCE 1h"])
def test_a_text_without_exchange_and_symbol_is_refused(text: str) -> None:
    for parse in (Series.parse, Group.parse):
        with pytest.raises(InstrumentError, match=r'is not a series; write .*"BINANCE:BTCUSDT 1h"'):
            parse(text)
    with pytest.raises(InstrumentError, match="is not a series"):
        Group.parse(f"BINANCE:BTCUSDT 1h + {text}")


@pytest.mark.parametrize(
    "text", ["BINANCE:BTCUSDT", "BINANCE:BTCUSDT 7m", "BINANCE:BTCUSDT 1M", "BINANCE:BTCUSDT 1h 4h"]
)
def test_a_text_without_a_timeframe_is_refused(text: str) -> None:
    for parse in (Series.parse, Group.parse):
        with pytest.raises(TimeframeError, match=r"is not supported.*; use one of 1m 3m 5m"):
            parse(text)
