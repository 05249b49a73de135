"""The trees of a condition come back from their bytes as they were, and bytes that are not theirs are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.conditions import Condition
from registry.language.packed import VERSION, Unreadable, pack, unpack
from registry.language.surface import SurfaceNode
from tests.registry.language.reference import SERIES
from tests.registry.language.strategies import any_tree, examples

WRITTEN = (
    "BTCUSDT 1h: rsi(14) < 30",
    "BTCUSDT 1h: 30 > rsi",
    "BTCUSDT 1h: every(close > 1 and during(08:00-16:00, mon-fri, America/New_York))",
    "BTCUSDT 1h: 2 of (close rises_by 5% within 3 bars, volume rising 3 bars, macd.histogram crosses 0)",
    "BTCUSDT 15m: rsi(14, ema(9, hl2))@4h[2] exits 30 and close@ETHUSDT@1h * 2",
    "BTCUSDT 1h: (close < -abs(open - low) for 3 bars) or not before(ema(12) crosses_above max(ema(26), close[1]))",
    "BTCUSDT 1h: rsi < 30 then close > bbands(20, 2.5).upper within 5 bars",
)
PLAIN = Condition.parse(WRITTEN[0])
PACKED = pack(PLAIN.names, PLAIN.tree, PLAIN.surface)


@given(any_tree)
@examples(60)
def test_any_tree_comes_back_as_its_text_reads(written: SurfaceNode) -> None:
    condition = Condition._of(SERIES, written)
    again = Condition.restored(condition.text)
    tree, surface = unpack(condition.names, pack(condition.names, condition.tree, condition.surface))
    # Their representations too, as 14 equals 14.0, 0.0 equals -0.0, and a checkpoint is named after one of them.
    assert (repr(tree), repr(surface)) == (repr(again.tree), repr(again.surface))
    assert (tree, surface) == (condition.tree, condition.surface)


@pytest.mark.parametrize("text", WRITTEN)
def test_every_kind_of_node_comes_back(text: str) -> None:
    condition = Condition.parse(text)
    assert unpack(condition.names, pack(condition.names, condition.tree, condition.surface)) == (
        condition.tree,
        condition.surface,
    )


@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255))
@examples(60)
def test_a_damaged_byte_is_noticed(place: int, change: int) -> None:
    damaged = bytearray(PACKED)
    damaged[place] ^= change
    with pytest.raises(Unreadable):
        unpack(PLAIN.names, bytes(damaged))


@pytest.mark.parametrize(
    "packed", [b"", b"\0", PACKED[:-1], PACKED + b"\0", bytes([VERSION + 1]) + PACKED[1:]], ids=repr
)
def test_other_bytes_are_refused(packed: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack(PLAIN.names, packed)


@pytest.mark.parametrize("changed", range(3))
def test_the_bytes_of_other_texts_are_refused(changed: int) -> None:
    names = list(PLAIN.names)
    names[changed] += "0"
    with pytest.raises(Unreadable):
        unpack(names, PACKED)


def test_conditions_that_read_the_same_share_it() -> None:
    other = Condition.parse("BTCUSDT 1h: rsi(14) > 70")
    left = unpack(PLAIN.names, PACKED)[0]
    right = unpack(other.names, pack(other.names, other.tree, other.surface))[0]
    assert left.left is right.left  # type: ignore[union-attr]
