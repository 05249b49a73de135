"""Checkpoints of indicators: the evaluation cache."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from registry.groups import Series


class CacheStore(Protocol):
    """Checkpoints of indicators. Losing them costs a cold process some time, and nothing else."""

    def save(self, owner: str, rows: pl.DataFrame) -> None:
        """Store ``series indicator anchor_ms rebase open_ms candles state`` as one checkpoint of an owner.

        Rows of one series have the same ``open_ms``; the series' own row has an empty ``indicator``. The owner's last
        two checkpoints of each series are kept.
        """
        ...

    def of(self, series: Sequence[Series]) -> pl.DataFrame:
        """All rows of these series, of all owners, with the columns of :meth:`save`."""
        ...
