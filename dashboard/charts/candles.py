"""ECharts options of one condition's candles: price with triggers, truth, volume, and a pane for each other scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dashboard.charts.readings import Pane, Readings
from dashboard.charts.savings import ChartOptions
from registry.activity import ActiveSpan, is_active

# The same in both themes: traders read green and red without a legend.
_UP, _DOWN, _TRIGGER = "#1a9c82", "#e0524d", "#f59e0b"

_TOP, _GAP, _SLIDER = 34, 26, 64
_PRICE_HEIGHT, _TRUTH_HEIGHT, _VOLUME_HEIGHT, _PANE_HEIGHT = 300, 12, 70, 120
_TRUTHS = {"TRUE": "#f59e0b", "FALSE": "#94a3b8", "UNKNOWN": "#a855f7"}
"""The colours of the truth strip."""
CANDLES, TRUTH = "candle", "truth"
"""Series of the chart whose points can be selected."""


@dataclass(frozen=True)
class CandleChart:
    """Options, and the height in pixels that they are laid out for."""

    options: ChartOptions
    height: int


def candle_chart(readings: Readings, triggers: pl.DataFrame, spans: Sequence[ActiveSpan] | None = None) -> CandleChart:
    """The chart of ``readings``; it marks those of ``triggers`` (``close_time price``) that lie in the window.

    ``spans`` say when the condition was judged, ``None`` for always: all other candles are shaded.
    """
    panes = (readings.price, Pane("truth", low=0, high=1), readings.volume, *readings.panes)
    heights = (_PRICE_HEIGHT, _TRUTH_HEIGHT, _VOLUME_HEIGHT, *(_PANE_HEIGHT for _ in readings.panes))
    tops = [_TOP + sum(heights[:index]) + index * _GAP for index in range(len(heights))]
    total = tops[-1] + heights[-1] + _SLIDER
    axes = list(range(len(panes)))
    series: list[dict[str, Any]] = [
        {
            "type": "candlestick",
            "name": CANDLES,
            "id": CANDLES,
            "selectedMode": "single",
            "encode": {
                "x": "closed",
                "y": ["open", "close", "low", "high"],
                "tooltip": ["open", "high", "low", "close"],
            },
            "itemStyle": {"color": _UP, "borderColor": _UP, "color0": _DOWN, "borderColor0": _DOWN},
            "markPoint": _markers(readings.frame, triggers),
            "markArea": _not_judged(readings.frame, spans),
            **_mark_lines(readings.price.levels),
        },
        _truth_strip(readings.frame),
        {
            "type": "bar",
            "name": "volume",
            "xAxisIndex": 2,
            "yAxisIndex": 2,
            "encode": {"x": "closed", "y": "volume"},
            "itemStyle": {"color": "#94a3b8", "opacity": 0.7},
            "large": False,
            **_mark_lines(readings.volume.levels),
        },
    ]
    for index, pane in enumerate(panes):
        series += [
            {
                "type": "line",
                "name": name,
                "xAxisIndex": index,
                "yAxisIndex": index,
                "encode": {"x": "closed", "y": name},
                "showSymbol": False,
                "lineStyle": {"width": 1.5},
                **(_mark_lines(pane.levels) if index > 2 and position == 0 else {}),
            }
            for position, name in enumerate(pane.lines)
        ]
    options: ChartOptions = {
        "animation": False,
        "legend": {
            "top": 0,
            "left": 0,
            "type": "scroll",
            "data": [line["name"] for line in series if line["type"] == "line"],
        },
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "cross"}},
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "dataset": {"source": readings.frame},
        "grid": [
            {"left": 80, "right": 48, "top": top, "height": height} for top, height in zip(tops, heights, strict=True)
        ],
        "xAxis": [_time_axis(index, last=index == axes[-1]) for index in axes],
        "yAxis": [_value_axis(index, pane) for index, pane in enumerate(panes)],
        "dataZoom": [
            {"type": "inside", "xAxisIndex": axes},
            {"type": "slider", "xAxisIndex": axes, "bottom": 8, "height": 22, "left": 80, "right": 48},
        ],
        "series": series,
    }
    return CandleChart(options, total)


def _markers(frame: pl.DataFrame, triggers: pl.DataFrame) -> dict[str, Any]:
    """A triangle under the recorded price of each trigger."""
    shown = frame.select("closed", "close_time").join(
        triggers.select(pl.col("close_time").cast(frame["close_time"].dtype), "price"), on="close_time"
    )
    return {
        "symbol": "triangle",
        "symbolSize": 12,
        "symbolOffset": [0, 10],
        "itemStyle": {"color": _TRIGGER, "borderColor": "#ffffff", "borderWidth": 1},
        "label": {"show": False},
        "tooltip": {"trigger": "item", "formatter": "{b}"},
        "data": [
            {"name": f"trigger {closed}, price {price:,g}", "coord": [closed, price]}
            for closed, price in shown.select("closed", "price").rows()
        ],
    }


def _truth_strip(frame: pl.DataFrame) -> dict[str, Any]:
    """A bar of the same height for each candle, coloured by the condition's truth on it."""
    return {
        "type": "bar",
        "name": TRUTH,
        "id": TRUTH,
        "selectedMode": "single",
        "xAxisIndex": 1,
        "yAxisIndex": 1,
        "barWidth": "100%",
        "data": [
            {"value": 1, "name": truth, "itemStyle": {"color": _TRUTHS[truth]}} for truth in frame["truth"].to_list()
        ],
    }


def _not_judged(frame: pl.DataFrame, spans: Sequence[ActiveSpan] | None) -> dict[str, Any]:
    """Shades over the stretches of candles that could not trigger the condition."""
    areas: list[list[dict[str, Any]]] = []
    if spans is not None:
        judged = [is_active(spans, close_ms) for close_ms in frame["close_time"].dt.epoch("ms").to_list()]
        labels = frame["closed"].to_list()
        begin: int | None = None
        for at, is_judged in enumerate([*judged, True]):
            if not is_judged and begin is None:
                begin = at
            elif is_judged and begin is not None:
                areas.append([{"name": "not judged", "xAxis": labels[begin]}, {"xAxis": labels[at - 1]}])
                begin = None
    return {
        "silent": True,
        "itemStyle": {"color": "#94a3b8", "opacity": 0.18},
        "label": {"position": "insideTop", "color": "#64748b"},
        "data": areas,
    }


def _mark_lines(levels: Sequence[float]) -> dict[str, Any]:
    if not levels:
        return {}
    return {
        "markLine": {
            "symbol": "none",
            "silent": True,
            "lineStyle": {"type": "dashed", "color": _TRIGGER},
            "label": {"position": "end", "formatter": "{c}"},
            "data": [{"yAxis": level} for level in levels],
        }
    }


def _time_axis(index: int, *, last: bool) -> dict[str, Any]:
    return {
        "type": "category",
        "gridIndex": index,
        "axisLabel": {"show": last, "hideOverlap": True},
        "axisTick": {"show": last},
        "axisPointer": {"label": {"show": last}},
    }


def _value_axis(index: int, pane: Pane) -> dict[str, Any]:
    small, is_strip = index > 0, index == 1
    return {
        "type": "value",
        "gridIndex": index,
        # Volume bars start at 0; every other axis shows only the range of its values.
        "scale": index != 2,
        "splitNumber": 2 if small else 5,
        "axisLabel": {"show": not is_strip},
        "splitLine": {"show": not is_strip},
        "name": pane.name,
        "nameLocation": "middle",
        "nameRotate": 0 if is_strip else 90,
        "nameGap": 30 if is_strip else 60,
        "axisPointer": {"label": {"precision": 2}} if not small else {},
        **({"min": pane.low} if pane.low is not None else {}),
        **({"max": pane.high} if pane.high is not None else {}),
    }
