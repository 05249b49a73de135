"""Times as labels of a category axis, which must be unique, and such an axis."""

from typing import Any

import polars as pl

_FORMAT = "%Y-%m-%d %H:%M"
TIME_AXIS: dict[str, Any] = {
    "type": "category",
    "axisLabel": {"hideOverlap": True, "alignMinLabel": "left", "alignMaxLabel": "right"},
}
"""An axis of labels of times; the first and the last label end where the axis does, and are not cut off."""


def time_labels(column: str, zone: str = "UTC") -> pl.Expr:
    """The times of a column in a zone. Where its clocks are put back, the hour that comes twice has its offset, too."""
    local = pl.col(column).dt.convert_time_zone(zone)
    label = local.dt.strftime(_FORMAT)
    return pl.when(label.is_duplicated()).then(local.dt.strftime(f"{_FORMAT} %z")).otherwise(label)
