"""What the API sends about a condition is what the client reads: one model on both sides."""

import json

import httpx
from pydantic import TypeAdapter

from condition_hub import insight_calls
from condition_hub.explanation import (
    Distance,
    Explained,
    Explanation,
    Freshness,
    Now,
    Preview,
    PreviewTrigger,
    Reading,
)

LEAF = Explained(
    text="close < sma(20)",
    truth="FALSE",
    before="UNKNOWN",
    readings=(Reading(text="sma(20)", now=None, before=1.5, unknown=("too few candles",)),),
    distances=(Distance(left="close", right="sma(20)", absolute=-0.25, relative=None),),
    children=(),
)
EXPLANATION = Explanation(
    condition_id="a" * 32,
    condition="BINANCE:BTCUSDT 1h: not close < sma(20)",
    momentary=False,
    open_time=0,
    close_time=3_600_000,
    verdict="unknown before",
    fires=False,
    reasons=("it is the first candle",),
    truth="TRUE",
    before="UNKNOWN",
    price=1e16,
    settled=True,
    tree=Explained(text="not", truth="TRUE", before="UNKNOWN", readings=(), distances=(), children=(LEAF,)),
    freshness=(Freshness(series="BINANCE:BTCUSDT 1h", first_open_time=0, last_close_time=3_600_000, candles=1),),
    active=True,
    judged_until=None,
    recorded=False,
    notes=("its group has not been judged yet",),
)
PREVIEW = Preview(
    condition_id="a" * 32,
    condition="BINANCE:BTCUSDT 1h: close > 1",
    canonical="BINANCE:BTCUSDT 1h: close > 1",
    registered=False,
    start=0,
    end=7_200_000,
    candles=2,
    triggers=1,
    per_day=12.0,
    last=(PreviewTrigger(open_time=0, close_time=3_600_000, price=2.5, settled=False),),
    subscribers=None,
)


def test_an_explanation_comes_back_as_it_was_sent() -> None:
    sent = TypeAdapter(Explanation).dump_json(EXPLANATION)
    assert insight_calls.explain("a" * 32, None).read(httpx.Response(200, content=sent)) == EXPLANATION


def test_a_preview_comes_back_as_it_was_sent() -> None:
    sent = TypeAdapter(Preview).dump_json(PREVIEW)
    assert (
        insight_calls.preview("BTCUSDT 1h: close > 1", None, None, 20).read(httpx.Response(200, content=sent))
        == PREVIEW
    )


def test_fields_of_a_later_version_are_ignored() -> None:
    sent = json.loads(TypeAdapter(Explanation).dump_json(EXPLANATION))
    sent["new"] = sent["tree"]["new"] = sent["freshness"][0]["new"] = 1
    answer = httpx.Response(200, json=sent)
    assert insight_calls.explain("a" * 32, None).read(answer) == EXPLANATION


def test_the_fields_of_the_published_schema_are_described() -> None:
    for kind, field in ((Explanation, "notes"), (Preview, "per_day"), (Now, "since")):
        assert TypeAdapter(kind).json_schema()["properties"][field]["description"]
