"""Times as labels of a category axis, which must be unique."""

import polars as pl

_FORMAT = "%Y-%m-%d %H:%M"


def time_labels(column: str, zone: str = "UTC") -> pl.Expr:
    """The times of a column in a zone. Where its clocks are put back, the hour that comes twice has its offset, too."""
    local = pl.col(column).dt.convert_time_zone(zone)
    label = local.dt.strftime(_FORMAT)
    return pl.when(label.is_duplicated()).then(local.dt.strftime(f"{_FORMAT} %z")).otherwise(label)
