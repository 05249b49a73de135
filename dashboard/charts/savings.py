"""ECharts options for the savings page: figures in, plain dictionaries out.

Candle charts are built by :mod:`dashboard.charts.candles`.
"""

from typing import Any

import polars as pl

from analysis.savings import Savings
from dashboard.charts.labels import TIME_AXIS, time_labels

ChartOptions = dict[str, Any]

_GRID = {"left": 8, "right": 24, "top": 40, "bottom": 8, "containLabel": True}
_JUST_BELOW_ONE = 0.8
"""Where a log axis begins, so that a bar of 1 has a length."""

SHARING_COLORS = {"isolated bots": "#94a3b8", "equal conditions shared": "#d97706", "done by the hub": "#14a08f"}
"""The three ways of sharing and their colours, which are the same in every chart and legible in both themes."""


def counted(savings: Savings) -> ChartOptions:
    """Bars on a log axis: the work of isolated bots, the work with equal conditions shared, and the work done."""
    kinds = {
        "evaluations": (savings.isolated_evaluations, savings.evaluations, savings.evaluations),
        "indicator computations": (
            savings.isolated_indicators,
            savings.equal_sharing_indicators,
            savings.indicators,
        ),
        "candle loads": (savings.isolated_loads, savings.equal_sharing_loads, savings.loads),
    }
    return {
        "legend": {"top": 0, "left": 0},
        "grid": _GRID | {"right": 72},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "valueFormatter": "localized"},
        "xAxis": {"type": "log", "min": _JUST_BELOW_ONE, "axisLabel": {"hideOverlap": True, "showMinLabel": False}},
        "yAxis": {"type": "category", "inverse": True, "data": list(kinds)},
        "series": [
            {
                "name": name,
                "type": "bar",
                "barGap": "10%",
                "color": SHARING_COLORS[name],
                "data": [_bar(counts[position]) for counts in kinds.values()],
                "label": {"show": True, "position": "right"},
            }
            for position, name in enumerate(SHARING_COLORS)
        ],
    }


def _bar(count: int) -> dict[str, Any] | None:
    """A bar labelled with its number; no bar for 0, which has no place on a log axis."""
    return {"value": count, "label": {"formatter": f"{count:,}"}} if count else None


def work_per_tick(ticks: pl.DataFrame, zone: str = "UTC") -> ChartOptions:
    """Lines on a log axis: loads, computations and evaluations of each tick, for the three ways of sharing."""
    lines = {
        "isolated bots": ("subscriptions", "isolated_indicators", "isolated_loads"),
        "equal conditions shared": ("conditions", "equal_sharing_indicators", "equal_sharing_loads"),
        "done by the hub": ("conditions", "indicators", "series"),
    }
    source = ticks.select(
        time_labels("close_time", zone).alias("closed"),
        *(
            pl.when(pl.sum_horizontal(columns) > 0).then(pl.sum_horizontal(columns)).alias(name)
            for name, columns in lines.items()
        ),
    )
    return {
        "legend": {"top": 0, "left": 0},
        "grid": _GRID,
        "tooltip": {"trigger": "axis", "valueFormatter": "localized"},
        "dataset": {"source": source},
        "xAxis": TIME_AXIS,
        "yAxis": {"type": "log"},
        "series": [
            {
                "type": "line",
                "name": name,
                "color": color,
                "showSymbol": False,
                "encode": {"x": "closed", "y": name},
            }
            for name, color in SHARING_COLORS.items()
        ],
    }


def registered(sizes: pl.DataFrame, zone: str = "UTC") -> ChartOptions:
    """Lines: how many conditions were registered, and how many of them had a subscription."""
    return {
        "legend": {"top": 0, "left": 0},
        "grid": _GRID,
        "tooltip": {"trigger": "axis", "valueFormatter": "localized"},
        "dataset": {"source": sizes.select(time_labels("noted_at", zone).alias("noted"), "conditions", "subscribed")},
        "xAxis": TIME_AXIS,
        "yAxis": {"type": "value", "minInterval": 1},
        "series": [
            {"type": "line", "step": "end", "name": name, "showSymbol": False, "encode": {"x": "noted", "y": column}}
            for name, column in (("registered", "conditions"), ("subscribed", "subscribed"))
        ],
    }


def stage_times(ticks: pl.DataFrame, zone: str = "UTC") -> ChartOptions:
    """Stacked bars: the stages of each tick in milliseconds."""
    stages = {"load": "load_us", "indicators": "indicators_us", "judge": "judge_us"}
    source = ticks.select(
        time_labels("close_time", zone).alias("closed"),
        *((pl.col(column) / 1e3).alias(stage) for stage, column in stages.items()),
    )
    return {
        "legend": {"top": 0, "left": 0},
        "grid": _GRID,
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "valueFormatter": "%.2f ms"},
        "dataset": {"source": source},
        "xAxis": TIME_AXIS,
        "yAxis": {"type": "value", "axisLabel": {"formatter": "{value} ms"}},
        "series": [
            {
                "type": "bar",
                "name": stage,
                "stack": "tick",
                "barCategoryGap": "0%",
                "encode": {"x": "closed", "y": stage},
            }
            for stage in stages
        ],
    }
