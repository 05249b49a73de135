"""Checkpoints of indicators, which the seed calls the evaluation cache."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from registry.groups import Series


class CacheStore(Protocol):
    """Checkpoints of indicators; losing them costs a cold process time, and nothing else."""

    def save(self, owner: str, rows: pl.DataFrame) -> None:
        """Keep ``series indicator anchor_ms rebase open_ms candles state`` as one checkpoint of an owner.

        An owner's last two of a series stay.

        Rows of one series have the same ``open_ms``; the series' own row has an empty ``indicator``.
        """
        ...

    def of(self, series: Sequence[Series]) -> pl.DataFrame:
        """All rows of these series, whoever saved them, with the columns of :meth:`save`."""
        ...
