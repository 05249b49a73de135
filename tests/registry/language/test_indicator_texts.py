"""Indicators counted from canonical texts are those of the trees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.read_alike import indicator_nodes
from registry.conditions import Condition
from registry.language.indicator_texts import indicator_texts
from registry.language.surface import SurfaceNode
from tests.registry.language.reference import SERIES
from tests.registry.language.strategies import any_tree, examples
from tests.registry.language.test_identity_pins import PINNED


@pytest.mark.parametrize("text", [text for text, _ in PINNED])
def test_every_pinned_condition_has_as_many_texts_as_indicators(text: str) -> None:
    condition = Condition.parse(text)
    assert len(indicator_texts(condition.canonical)) == len(indicator_nodes(condition))


@given(st.lists(any_tree, min_size=1, max_size=3))
@examples(60)
def test_conditions_share_texts_where_they_share_indicators(trees: list[SurfaceNode]) -> None:
    conditions = [Condition._of(SERIES, tree) for tree in trees]
    texts = frozenset[str]().union(*(indicator_texts(condition.canonical) for condition in conditions))
    nodes = set().union(*(indicator_nodes(condition) for condition in conditions))
    assert len(texts) == len(nodes)


def test_a_place_belongs_to_the_indicator_and_to_what_it_is_computed_from() -> None:
    canonical = "BINANCE:BTCUSDT 1h: ema(9, rsi(14, close))@KRAKEN:ETH/EUR@4h > rsi(14, close)"
    assert indicator_texts(canonical) == {
        "KRAKEN:ETH/EUR 4h ema(9, rsi(14, close))",
        "KRAKEN:ETH/EUR 4h rsi(14, close)",
        "BINANCE:BTCUSDT 1h rsi(14, close)",
    }
