"""An explanation for people and for machines."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from analysis.explain import Distance, Explained, Explanation, Reading
from analysis.standing import Standing
from common.timeframes import from_ms, show_time

_SIGNS = {"TRUE": "+", "FALSE": "-", "UNKNOWN": "?"}


def as_json(found: Explanation, standing: Standing) -> dict[str, Any]:
    """An explanation as JSON values; times in ISO 8601."""
    shown = asdict(found)
    for name in ("open", "close"):
        shown[f"{name}_time"] = from_ms(shown.pop(f"{name}_ms")).isoformat()
    for held in shown["freshness"]:
        held["first_open_time"] = from_ms(held.pop("first_open_ms")).isoformat()
        held["last_close_time"] = from_ms(held.pop("last_close_ms")).isoformat()
    shown["fires"] = found.fires
    shown["hub"] = {
        "registered": standing.registered,
        "active": [{"from": _iso(span.from_ms), "until": _iso(span.until_ms)} for span in standing.spans],
        "subscriptions": standing.subscriptions,
        "judged_until": _iso(standing.judged_until_ms),
        "recorded": standing.recorded,
        "notes": standing.notes(found.close_ms),
    }
    return shown


def render(found: Explanation, standing: Standing) -> Iterator[str]:
    """The lines of an explanation: the verdict, the tree with its values, how fresh the candles are."""
    yield f"{found.text}"
    yield f"candle from {show_time(found.open_ms)} to {show_time(found.close_ms)} UTC"
    yield ""
    yield f"{'fires' if found.fires else 'does not fire'}: {found.truth}, one step before {found.before}"
    for reason in found.reasons:
        yield f"  {reason}"
    if found.fires and not found.settled:
        yield "  its indicators had not settled: another start of the history would give other values"
    if found.tree is not None:
        yield ""
        yield "  now and one step before: + TRUE, - FALSE, ? UNKNOWN"
        yield from _node(found.tree, 0)
    yield ""
    for held in found.freshness:
        since, until = show_time(held.first_open_ms), show_time(held.last_close_ms)
        yield f"{held.series}: {held.candles:,} candles from {since} to {until}"
    yield f"recorded: {'a trigger' if standing.recorded else 'no trigger'}"
    for note in standing.notes(found.close_ms):
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


def _reading(held: Reading) -> str:
    return f"{held.text}: {_number(held.now)}, before {_number(held.before)}"


def _distance(held: Distance) -> str:
    share = "" if held.relative is None else f" ({held.relative:+.3%})"
    return f"{held.left} less {held.right}: {held.absolute:+.8g}{share}"


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.10g}"


def _iso(time_ms: int | None) -> str | None:
    return None if time_ms is None else from_ms(time_ms).isoformat()
