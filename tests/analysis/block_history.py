"""A history that comes in blocks of any size."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from engine.candle_history import CandleHistory, FrameHistory
from registry.groups import Series


@dataclass(frozen=True)
class BlockHistory(FrameHistory):
    """A candle frame that is read in blocks; the seed says where they end."""

    seed: int

    def blocks(self) -> Iterator[pl.DataFrame]:
        dice, begin = random.Random(self.seed), 0
        while begin < self.candles.height:
            height = dice.choice((1, 2, 7, 40, 150))
            yield self.candles[begin : begin + height]
            begin += height


def in_blocks(histories: Mapping[Series, pl.DataFrame], seed: int) -> dict[Series, CandleHistory]:
    """Histories in blocks."""
    return {series: BlockHistory(candles, seed) for series, candles in histories.items()}
