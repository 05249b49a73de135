"""How a client spells conditions that it cannot read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import condition_hub
from condition_hub import BodyNotJson
from condition_hub.conditions import bulk_of, in_bulks, spelled
from condition_hub.series_defaults import begins_with_series
from registry import Condition
from registry.defaults import defaults
from registry.language.as_text import text

PIECES = [
    "BTCUSDT", "binance:btc/usdt", '"NYSE:^NYA"', "ETH-PERP", "rsi", "rsi(14)", "close", "1h", "60m", "H1", "2 days",
    ":", ",", " : ", " ", "  ", "<", "30", "crosses_below", "time in 09:00-17:00", "(", ")", '"', "ß", "\n",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=6).map(" ".join) | st.lists(st.sampled_from(PIECES)).map("".join))
def test_the_series_that_a_text_begins_with_is_seen(written: str) -> None:
    assert begins_with_series(written) == (text._HEADER.match(written) is not None)


def test_defaults_are_used_where_a_text_names_no_series() -> None:
    with condition_hub.defaults(symbol="ETHUSDT", timeframe="1h"):
        assert spelled("rsi < 30") == {"symbol": "ETHUSDT", "timeframe": "1h", "when": "rsi < 30"}
        assert spelled("BTCUSDT 4h: rsi < 30") == "BTCUSDT 4h: rsi < 30"
        assert spelled({"indicator": "RSI", "timeframe": "4h"}) == {
            "indicator": "RSI", "timeframe": "4h", "symbol": "ETHUSDT",
        }  # fmt: skip
        with condition_hub.defaults(timeframe="1d"):
            assert spelled({"indicator": "RSI"}) == {"indicator": "RSI", "symbol": "ETHUSDT", "timeframe": "1d"}
    assert spelled("rsi < 30") == "rsi < 30"


def test_whoever_reads_the_language_sees_more_spellings() -> None:
    lenient = "BTCUSDT, 4h rsi < 30"
    assert not begins_with_series(lenient)
    with defaults(symbol="ETHUSDT", timeframe="1h"):
        assert spelled(lenient) == lenient
        assert spelled("rsi < 30") == {"symbol": "ETHUSDT", "timeframe": "1h", "when": "rsi < 30"}


def test_a_condition_that_has_been_read_is_sent_as_its_text() -> None:
    condition = Condition.parse("BTCUSDT 1h: rsi < 30")
    with condition_hub.defaults(symbol="ETHUSDT", timeframe="4h"):
        assert spelled(condition) == str(condition)


@pytest.mark.parametrize("value", [5, None, ["rsi < 30"], object()])
def test_what_is_no_condition_is_not_sent(value: Any) -> None:
    with pytest.raises(BodyNotJson, match=f"text or an object, got a value of type {type(value).__name__}"):
        spelled(value)


def test_a_bulk_has_no_more_than_one_request_may_have() -> None:
    assert [len(some) for some in in_bulks(["rsi < 30"] * 120, 50)] == [50, 50, 20]
    long = "x" * 600_000
    assert [len(some) for some in in_bulks([long, long, "y", long + long], 50)] == [1, 2, 1]
    assert bulk_of([b'"a"', b'"b"'], {"start": 1}) == b'{"conditions":["a","b"],"start":1}'
