"""An explanation for people and for machines."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from analysis.standing import Standing
from common.timeframes import iso_time, show_time
from condition_hub.explanation import CandleExplanation, Distance, Explained, Reading

_SIGNS = {"TRUE": "+", "FALSE": "-", "UNKNOWN": "?"}


def as_json(explanation: CandleExplanation, standing: Standing) -> dict[str, Any]:
    """An explanation as JSON values; times in ISO 8601."""
    return {
        "condition_id": explanation.condition_id,
        "text": explanation.condition,
        "momentary": explanation.momentary,
        "verdict": explanation.verdict,
        "reasons": explanation.reasons,
        "truth": explanation.truth,
        "before": explanation.before,
        "price": explanation.price,
        "settled": explanation.settled,
        "tree": None if explanation.tree is None else asdict(explanation.tree),
        "freshness": [
            {
                "series": candles.series,
                "candles": candles.candles,
                "first_open_time": _iso(candles.first_open_time),
                "last_close_time": _iso(candles.last_close_time),
            }
            for candles in explanation.freshness
        ],
        "open_time": _iso(explanation.open_time),
        "close_time": _iso(explanation.close_time),
        "fires": explanation.fires,
        "hub": {
            "registered": standing.registered,
            "active": [{"from": _iso(span.from_ms), "until": _iso(span.until_ms)} for span in standing.spans],
            "subscriptions": standing.subscriptions,
            "judged_until": _iso(standing.judged_until_ms),
            "recorded": standing.recorded,
            "notes": standing.notes(explanation.close_time),
        },
    }


def render(explanation: CandleExplanation, standing: Standing) -> Iterator[str]:
    """The lines of an explanation: the verdict, the tree with its values, and how fresh the candles are."""
    yield explanation.condition
    yield f"candle from {show_time(explanation.open_time)} to {show_time(explanation.close_time)} UTC"
    yield ""
    fires = "fires" if explanation.fires else "does not fire"
    yield f"{fires}: {explanation.truth}, one step before {explanation.before}"
    for reason in explanation.reasons:
        yield f"  {reason}"
    if explanation.fires and not explanation.settled:
        yield "  its indicators had not settled: with a history that starts elsewhere the values would differ"
    if explanation.tree is not None:
        yield ""
        yield "  now and one step before: + TRUE, - FALSE, ? UNKNOWN"
        yield from _node(explanation.tree, 0)
    yield ""
    for candles in explanation.freshness:
        since, until = show_time(candles.first_open_time), show_time(candles.last_close_time)
        yield f"{candles.series}: {candles.candles:,} candles from {since} to {until}"
    yield f"recorded: {'a trigger' if standing.recorded else 'no trigger'}"
    for note in standing.notes(explanation.close_time):
        yield f"  {note}"


def _node(node: Explained, level: int) -> Iterator[str]:
    pad = "  " * level
    yield f"  {_SIGNS[node.truth]}{_SIGNS[node.before]} {pad}{node.text}"
    for reading in node.readings:
        yield f"       {pad}  {_reading(reading)}"
    for distance in node.distances:
        yield f"       {pad}  {_distance(distance)}"
    for child in node.children:
        yield from _node(child, level + 1)


def _reading(reading: Reading) -> str:
    return f"{reading.text}: {_number(reading.now)}, before {_number(reading.before)}"


def _distance(distance: Distance) -> str:
    share = "" if distance.relative is None else f" ({distance.relative:+.3%})"
    return f"{distance.left} less {distance.right}: {distance.absolute:+.8g}{share}"


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.10g}"


def _iso(time_ms: int | None) -> str | None:
    return None if time_ms is None else iso_time(time_ms)
