"""What is read without the grammar is what the grammar reads, and whatever the grammar refuses is left to it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import HubError
from registry.conditions import Condition
from registry.groups import Series
from registry.language.as_text import text
from registry.language.as_text.plain import read_plain
from registry.language.canonical import canonicalise
from registry.language.desugar import desugar
from registry.language.surface import SurfaceNode, momentary
from tests.registry.language.reference import SERIES
from tests.registry.language.strategies import any_tree, examples, few_trees

_WORDS = (
    "close", "rsi(14)", "rsi", "macd.line", "sma(20, volume)", "sma(20, close - 5)", "ema(9, rsi(14))[3]", "close@4h",
    "bbands(20, 2).upper@1d", "abs(open - close)", "close[501]", "all(", "any(", "every(", "2 of (", "(", ")", ")",
    ",", "and", "or", "not", "for 3 bars", "within 5 bars", "for 501 bars", "for", "then", "<", "<", ">=", "=>", ">",
    "crosses_above", "crosses_below", "crosses", "rises_by", "5", "30", "-5", "1e3", "1e16", "0", "+", "-", "*", "/",
    "%", "during(08:00-16:00)", "close@ETHUSDT", "close@15m", "RSI-7", "rises 5", "nosuch(3)", "rsi(1)", "all",
)  # fmt: skip
_SIDES = st.sampled_from(["close", "rsi(14)", "sma(20, volume)", "2 * open", "close / 0", "5", "close - -5", "1 / rsi"])
_COMPARISONS = st.builds("{} {} {}".format, _SIDES, st.sampled_from(["<", "<=", ">", "crosses_above"]), _SIDES)


def by_grammar(written: str) -> tuple[Series, SurfaceNode] | None:
    """What the grammar alone reads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "read_plain", lambda *_: None)
        try:
            return text.parse(written, default_exchange="BINANCE")
        except HubError:
            return None


def agrees(written: str) -> bool:
    """Whether a text is read without the grammar; if so, as the grammar reads it."""
    plain = read_plain(written, "BINANCE")
    if plain is not None:
        assert repr(plain) == repr(by_grammar(written)), written
    return plain is not None


@examples(150)
@given(any_tree | few_trees, st.booleans())
def test_conditions_as_they_are_written_out(tree: SurfaceNode, short: bool) -> None:
    agrees(f"{SERIES}: {text.to_text(tree, SERIES, short=short)}")


@examples(100)
@given(any_tree | few_trees)
def test_canonical_texts(tree: SurfaceNode) -> None:
    try:
        canonical = canonicalise(desugar(tree, SERIES), SERIES, momentary=momentary(tree))
    except HubError:
        return
    agrees(f"{SERIES}: {text.to_text(canonical, SERIES)}")


@examples(400)
@given(st.lists(st.sampled_from(_WORDS), min_size=1, max_size=9), st.sampled_from([" ", " ", "", "  "]))
def test_any_words_in_any_order(words: list[str], between: str) -> None:
    agrees(f"BTCUSDT 1h: {between.join(words)}")


@examples(400)
@given(
    st.recursive(
        _COMPARISONS,
        lambda inner: st.one_of(
            st.builds("not {}".format, inner),
            st.builds("({})".format, inner),
            st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner),
            st.builds("{}({}, {})".format, st.sampled_from(["all", "any", "1 of ", "3 of "]), inner, inner),
            st.builds("{} {} {} bars".format, inner, st.sampled_from(["for", "within"]), st.integers(0, 501)),
            st.builds("every({})".format, inner),
        ),
        max_leaves=20,
    )
)
def test_comparisons_joined_in_any_way(written: str) -> None:
    agrees(f"BTCUSDT 1h: {written}")


@pytest.mark.parametrize(
    "written",
    [
        "BINANCE:BTCUSDT 1h: rsi(14, close) < 30",
        "BTCUSDT 60m: RSI crosses_below -30.5",
        "btc/usdt 1h: close > 1.02 * sma(20, volume)@4h for 3 bars",
        "OKX:BTCUSDT.P 15m: all(close > ema(9, rsi(14)), not (volume < 5 or hl2 >= open[3]), 2 of (low < 1, low < 2))",
        "ÄÖUSDT 1d: every(macd(12, 26, 9).histogram > 0) ",
    ],
)
def test_common_texts_are_read_without_the_grammar(written: str) -> None:
    assert agrees(written)


@pytest.mark.parametrize(
    "written",
    [
        "BTCUSDT 1h: " + "(" * 65 + "close > 1" + ")" * 65,
        "BTCUSDT 1h: close > 1" + " and close > 1" * 32,
        "BTCUSDT 1h: close > 1" + " for 500 bars" * 40,
        "BTCUSDT 1h: sma(1000, sma(1000, sma(1000))) > 1 for 500 bars",
        "BTCUSDT 1h: close > 1\u200b",
        "BTC\u202eUSDT 1h: close > 1",
        "BTCUSDT 1h: close > 1\x0b",
        "BTCUSDT 1M: close > 1",
        "BTCUSDT 1h: " + "c" * 65 + " > 1",
        "BTCUSDT 1h: close > " + "1" * 65,
        "BTCUSDT 1h: closecrosses_above 5",
        "BTCUSDT 1h: close < 5 5",
        "BTCUSDT 1h: 4 < 5",
        "BTCUSDT 1h: every(every(close > 1))",
        "BTCUSDT 1h: every(close > 1) and close > 2",
    ],
    ids=lambda written: re.sub(r"[^a-z0-9]+", "-", written.lower())[:40],
)
def test_limits_and_mistakes_are_the_grammars(written: str) -> None:
    agrees(written)


def test_a_symbol_is_read_as_its_names_are_read_now() -> None:
    """A slash is part of a name that the hub has written, and says nothing elsewhere."""
    loose, strict = Condition.parse("BINANCE:A/BC 1h: close > 1"), Condition.restored("BINANCE:A/BC 1h: close > 1")
    assert [str(each.series) for each in (loose, strict, Condition.restored(str(loose)))] == [
        "BINANCE:ABC 1h",
        "BINANCE:A/BC 1h",
        "BINANCE:ABC 1h",
    ]
