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
    names = [each.name for each in indicator.parameters] + [each.name for each in indicator.outputs]
    assert all(name in shown for name in names)
    assert f"first value on candle {indicator.lookback(indicator.complete({})) + 1:,}" in shown
