"""Every indicator shows itself in a notebook."""

from xml.etree import ElementTree

import pytest

from indicators import catalogue


@pytest.mark.parametrize("name", catalogue())
def test_an_indicator(name: str) -> None:
    indicator = catalogue()[name]
    shown = "\n".join(ElementTree.fromstring(indicator._repr_html_()).itertext())
    assert indicator.title in shown
    assert f"{name}(" in shown
    for each in (*indicator.parameters, *indicator.outputs):
        assert each.name in shown
    assert f"first value on candle {indicator.lookback(indicator.complete({})) + 1:,}" in shown
