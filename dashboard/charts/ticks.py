"""ECharts options of the page Ticks."""

import polars as pl

from dashboard.charts.labels import TIME_AXIS, time_labels
from dashboard.charts.savings import ChartOptions

_GRID = {"left": 8, "right": 24, "top": 40, "bottom": 8, "containLabel": True}
STATE_COLORS = {"on time": "#14a08f", "late": "#d97706"}
_BUDGET = "#e0524d"
STAGE_COLORS = {
    "load": "#4f6bd8",
    "indicators": "#14a08f",
    "judge": "#d97706",
    "prepare": "#94a3b8",
    "record": "#b4447c",
    "publish": "#65a30d",
}


def durations(runs: pl.DataFrame, budget_ms: float, zone: str = "UTC") -> ChartOptions:
    """A bar for each run: its state is the colour, the time of all stages the height, on a log axis.

    ``runs`` has the columns of :func:`dashboard.data.ticks.newest_runs`; a line marks the budget of a tick.
    """
    source = runs.select(
        time_labels("close_time", zone).alias("closed"),
        *(
            pl.when((pl.col("state") == state) & (pl.col("total") > 0)).then("total").alias(state)
            for state in STATE_COLORS
        ),
    )
    return {
        "legend": {"top": 0, "left": 0},
        "grid": _GRID,
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "valueFormatter": "%.2f ms"},
        "dataset": {"source": source},
        "xAxis": TIME_AXIS,
        "yAxis": {"type": "log", "axisLabel": {"formatter": "{value} ms"}},
        "series": [
            {
                "type": "bar",
                "name": state,
                # In the same place, as a run has one state; stacked on nothing, a bar has no length on a log axis.
                "barGap": "-100%",
                "color": color,
                "barCategoryGap": "0%",
                "encode": {"x": "closed", "y": state},
                **(_budget(budget_ms) if state == "on time" else {}),
            }
            for state, color in STATE_COLORS.items()
        ],
    }


def stages(runs: pl.DataFrame, zone: str = "UTC") -> ChartOptions:
    """Stacked bars: the stages of each run in milliseconds."""
    source = runs.select(time_labels("close_time", zone).alias("closed"), *STAGE_COLORS)
    return {
        "legend": {"top": 0, "left": 0, "type": "scroll"},
        "grid": _GRID,
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "valueFormatter": "%.2f ms"},
        "dataset": {"source": source},
        "xAxis": TIME_AXIS,
        "yAxis": {"type": "value", "axisLabel": {"formatter": "{value} ms"}},
        "series": [
            {
                "type": "bar",
                "name": stage,
                "stack": "run",
                "color": color,
                "barCategoryGap": "0%",
                "encode": {"x": "closed", "y": stage},
            }
            for stage, color in STAGE_COLORS.items()
        ],
    }


def _budget(budget_ms: float) -> ChartOptions:
    return {
        "markLine": {
            "symbol": "none",
            "silent": True,
            "lineStyle": {"type": "dashed", "color": _BUDGET},
            "label": {"position": "insideEndTop", "formatter": "budget of a tick"},
            "data": [{"yAxis": budget_ms}],
        }
    }
