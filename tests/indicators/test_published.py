"""Agreement with values that others published, for what TA-Lib lacks."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.indicators.reference import computed

SKENDER = json.loads((Path(__file__).parent / "golden" / "skender-spy-2017.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("published", "name", "output", "parameters"),
    [
        ("tenkan_sen", "ichimoku", "conversion", {"conversion": 9, "base": 9, "span": 9}),
        ("kijun_sen", "ichimoku", "base", {"conversion": 9, "base": 26, "span": 26}),
        # A line over its window is a span B over the same one; Skender's over 52 candles needs more of them.
        ("kijun_sen", "ichimoku", "span_b", {"conversion": 9, "base": 9, "span": 26}),
        ("senkou_span_a", "ichimoku", "span_a", {"conversion": 9, "base": 26, "span": 26}),
        ("standard_deviation", "stdev", "value", {"period": 14}),
        ("z_score", "zscore", "value", {"period": 14}),
    ],
)
def test_skender(published: str, name: str, output: str, parameters: dict[str, float]) -> None:
    candles = {price: np.array(values) for price, values in SKENDER["candles"].items()}
    values = computed(name, candles, parameters)[output]
    expected = np.array(SKENDER[published])
    first = SKENDER["first_candle"][published]
    assert first + expected.size == values.size
    assert np.isnan(values[:first]).all()
    # Over there a score is the newest value less a rounded mean.
    np.testing.assert_allclose(values[first:], expected, rtol=1e-12 if name == "zscore" else 1e-15)
