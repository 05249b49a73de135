"""How previews and explanations show themselves in a notebook."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from condition_hub.moments import show_time
from condition_hub.notebook_html import block, code, line, strip, table

if TYPE_CHECKING:
    from condition_hub.explanation import CandleExplanation, Explained, Explanation, Preview

_SIGNS = {"TRUE": "+", "FALSE": "-", "UNKNOWN": "?"}
_MOST_ROWS = 20


def preview_html(preview: "Preview") -> str:
    """A preview: how often, on a strip when, and the newest triggers."""
    since, until = show_time(preview.start), show_time(preview.end)
    often = "" if preview.per_day is None else f", {preview.per_day:.3g} a day"
    parts = [line(f"{preview.triggers:,} triggers on {preview.candles:,} candles{often}")]
    marks = [(trigger.close_time, f"{show_time(trigger.close_time)}: {trigger.price:g}") for trigger in preview.last]
    parts.append(strip(preview.start, preview.end, marks, (since, until)))
    if len(preview.last) < preview.triggers:
        parts.append(line(f"the newest {len(preview.last):,} of them are drawn"))
    rows = [
        (show_time(trigger.close_time), f"{trigger.price:g}", "" if trigger.settled else "not settled")
        for trigger in preview.last[:_MOST_ROWS]
    ]
    if rows:
        parts.append(table(rows, ("close (UTC)", "price", "")))
    return block(preview.condition, *parts)


def explanation_html(explanation: "CandleExplanation | Explanation", notes: tuple[str, ...] = ()) -> str:
    """An explanation: the verdict, the tree with its values, and how fresh the candles are."""
    opens, closes = show_time(explanation.open_time), show_time(explanation.close_time)
    fires = "fires" if explanation.fires else "does not fire"
    parts = [
        line(f"candle from {opens} to {closes} UTC"),
        line(f"{fires}: {explanation.truth}, one step before {explanation.before}"),
        *map(line, explanation.reasons),
    ]
    if explanation.tree is not None:
        parts.append(line("now and one step before: + TRUE, - FALSE, ? UNKNOWN"))
        parts.append(code(_tree(explanation.tree, 0)))
    rows = [
        (candles.series, f"{candles.candles:,}", show_time(candles.first_open_time), show_time(candles.last_close_time))
        for candles in explanation.freshness
    ]
    parts.append(table(rows, ("series", "candles", "from", "until")))
    parts += map(line, notes)
    return block(explanation.condition, *parts)


def _tree(node: "Explained", level: int) -> Iterator[str]:
    pad = "  " * level
    yield f"{_SIGNS[node.truth]}{_SIGNS[node.before]} {pad}{node.text}"
    for reading in node.readings:
        now, before = ("not known" if value is None else f"{value:.10g}" for value in (reading.now, reading.before))
        yield f"     {pad}{reading.text}: {now}, before {before}"
    for distance in node.distances:
        share = "" if distance.relative is None else f" ({distance.relative:+.3%})"
        yield f"     {pad}{distance.left} less {distance.right}: {distance.absolute:+.8g}{share}"
    for child in node.children:
        yield from _tree(child, level + 1)
