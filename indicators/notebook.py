"""How an indicator shows itself in a notebook."""

from typing import TYPE_CHECKING

from condition_hub.notebook_html import block, line, table

if TYPE_CHECKING:
    from indicators.catalogue import Indicator


def indicator_html(indicator: "Indicator") -> str:
    """A catalogue entry: how it is written, its parameters and outputs, and the candles that it needs."""
    defaults = indicator.complete({})
    call = f"{indicator.name}({', '.join(f'{name}={value:g}' for name, value in defaults.items())})"
    parts = [line(call)]
    if indicator.aliases:
        parts.append(line(f"also written {', '.join(indicator.aliases)}"))
    reads = ", ".join(name for name in indicator.inputs if name not in ("source", "day"))
    if indicator.has_source:
        reads = ", ".join(filter(None, (f"a source, {indicator.default_source} unless said otherwise", reads)))
    parts.append(line(f"computed from {reads}"))
    if indicator.parameters:
        rows = [
            (each.name, f"{each.default:g}", f"{each.low:g} to {each.high:g}", "whole" if each.whole else "any number")
            for each in indicator.parameters
        ]
        parts.append(table(rows, ("parameter", "default", "range", "")))
    outputs = [
        (
            each.name,
            "no bounds" if each.low is None and each.high is None else f"{_bound(each.low)} to {_bound(each.high)}",
            "" if each.centre is None else f"around {each.centre:g}",
        )
        for each in indicator.outputs
    ]
    parts.append(table(outputs, ("output", "range", "")))
    settles = (
        "never, as its state is that of all candles"
        if indicator.is_cumulative
        else (f"after {max(indicator.settle(defaults), indicator.lookback(defaults) + 1):,} candles")
    )
    parts.append(
        line(f"first value on candle {indicator.lookback(defaults) + 1:,}; settles {settles} (with these parameters)")
    )
    if indicator.undefined:
        parts.append(line(f"not defined: {indicator.undefined}"))
    return block(indicator.title, *parts)


def _bound(value: float | None) -> str:
    return "…" if value is None else f"{value:g}"
