"""Conditions, previews and explanations show themselves in a notebook: well-formed, escaped, with nothing to load."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from condition_hub.explanation import (
    CandleExplanation,
    Distance,
    Explained,
    Explanation,
    Freshness,
    Preview,
    PreviewTrigger,
    Reading,
)
from condition_hub.notebook_html import block, code, strip, table
from registry.conditions import Condition

HOUR = 3_600_000
PREVIEW = Preview(
    condition_id="8c1f",
    condition="BINANCE:BTCUSDT 1h: rsi(14) < 30",
    canonical="BINANCE:BTCUSDT 1h: rsi(14, close) < 30",
    registered=False,
    start=0,
    end=100 * HOUR,
    candles=100,
    triggers=7,
    per_day=1.68,
    last=(
        PreviewTrigger(open_time=79 * HOUR, close_time=80 * HOUR, price=49770.1, settled=True),
        PreviewTrigger(open_time=4 * HOUR, close_time=5 * HOUR, price=50000.0, settled=False),
    ),
    subscribers=None,
)
PART = Explained(
    text="rsi(14) < 30",
    truth="TRUE",
    before="UNKNOWN",
    readings=(Reading(text="rsi(14)", now=29.5, before=None, unknown=()),),
    distances=(Distance(left="rsi(14)", right="30", absolute=-0.5, relative=-0.0166),),
    children=(),
)
EXPLANATION = CandleExplanation(
    condition_id="8c1f",
    condition="BINANCE:BTCUSDT 1h: rsi(14) < 30",
    momentary=False,
    open_time=0,
    close_time=HOUR,
    verdict="unknown before",
    fires=False,
    reasons=("it is TRUE, but its truth one step before is not known",),
    truth="TRUE",
    before="UNKNOWN",
    price=1.0,
    settled=False,
    tree=PART,
    freshness=(Freshness(series="BINANCE:BTCUSDT 1h", first_open_time=0, last_close_time=HOUR, candles=1234),),
)


def texts(html: str) -> str:
    """What can be read of HTML that is well-formed, and loads and runs nothing."""
    root = ElementTree.fromstring(html)
    assert not re.search(r"<(script|link|img|iframe|style|object)\b|\son\w+=|url\(|(href|src)=", html)
    assert not re.findall(r"(?:fill|stroke|color)[=:]\"?(?!currentColor|inherit|none)[a-z#]", html), "both themes"
    return "\n".join(root.itertext())


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("BTCUSDT 1h: rsi(14) crosses_below 30", "on every candle on which it is TRUE"),
        ("BTCUSDT 1h: all(rsi < 30, close > sma(200)@4h)", "BINANCE:BTCUSDT 4h: 200 for the first verdict"),
        ("BTCUSDT 1h: rsi < 300", "warning"),
        ('"NYSE:M&M" 1d: close < 5', "NYSE:M&M 1d"),
    ],
)
def test_a_condition(condition: str, says: str) -> None:
    parsed = Condition.parse(condition)
    shown = texts(parsed._repr_html_())
    assert str(parsed) in shown
    assert parsed.id in shown
    assert parsed.canonical in shown
    assert says in shown


def test_a_preview_has_a_strip_with_its_triggers() -> None:
    html = PREVIEW._repr_html_()
    shown = texts(html)
    assert "7 triggers on 100 candles, 1.68 a day" in shown
    assert "the newest 2 of them are drawn" in shown
    assert "1970-01-04 08:00: 49770.1" in shown
    assert "not settled" in shown
    marks = re.findall(r'<line x1="([\d.]+)"', html)
    assert marks == ["0", "512.0", "32.0"], "the axis, and the two triggers where they belong"


def test_a_preview_without_a_trigger() -> None:
    none = replace(PREVIEW, triggers=0, last=(), candles=0, per_day=None)
    assert "0 triggers on 0 candles" in texts(none._repr_html_())


def test_an_explanation() -> None:
    shown = texts(EXPLANATION._repr_html_())
    assert "does not fire: TRUE, one step before UNKNOWN" in shown
    assert "its truth one step before is not known" in shown
    assert "+? rsi(14) < 30" in shown
    assert "rsi(14): 29.5, before not known" in shown
    assert "rsi(14) less 30: -0.5 (-1.660%)" in shown
    assert "1,234" in shown
    missing = replace(EXPLANATION, tree=None, price=None, settled=None, verdict="no candle")
    assert "does not fire" in texts(missing._repr_html_())


def test_an_explanation_of_the_hub_says_what_the_hub_knows() -> None:
    of_hub = Explanation(**vars(EXPLANATION), active=True, judged_until=None, recorded=False, notes=("not judged yet",))
    shown = texts(of_hub._repr_html_())
    assert "no trigger is recorded" in shown
    assert "not judged yet" in shown


def test_everything_is_escaped() -> None:
    evil = '<script>alert("&")</script>'
    for html in (
        block(evil, code([evil]), table([[evil]], [evil])),
        strip(0, 1, [(0.5, evil)], (evil, evil)),
        replace(PREVIEW, condition=evil)._repr_html_(),
        replace(EXPLANATION, condition=evil, reasons=(evil,), tree=replace(PART, text=evil))._repr_html_(),
    ):
        assert evil in texts(html)


def test_a_strip_of_no_length_divides_by_nothing() -> None:
    assert "nan" not in strip(5, 5, [(5, "x")], ("a", "b"))
