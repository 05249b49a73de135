"""A feed that delivers the right candles in the end, but in a disorderly way."""

import random

import polars as pl

from registry.store.protocol import Store
from tests.chaos import scene

OPENS = pl.col("open_time").dt.epoch("ms")


class MessyFeed:
    """The candles of the scene: out of order, twice, wrong at first, late by whole stretches, and corrected too late.

    A seed repeats it. A feed that starts again brings everything again.
    """

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._arrivals = {symbol: self._blackouts() for symbol in scene.SYMBOLS}

    def bring(self, store: Store, tick: int, *, everything: bool = False) -> None:
        """Bring what arrives by a tick, or everything that closes by it; some of it was brought before."""
        rows = self._arrived(tick, everything)
        wrong = rows.sample(fraction=0.5, seed=self._dice.randrange(1_000)).with_columns(pl.col("close", "low") * 0.97)
        for frame in (_unjudged(store, wrong), self._shuffled(rows), self._shuffled(rows.tail(3))):
            if frame.height:
                store.candles.upsert(frame)
        if (judged := _judged(store, rows)).height:
            # Corrections of candles that have been judged: they are kept, and change nothing.
            store.candles.upsert(judged.sample(1, seed=self._dice.randrange(1_000)).with_columns(pl.col("close") * 1.5))

    def _arrived(self, tick: int, everything: bool) -> pl.DataFrame:
        frames = []
        for symbol, arrivals in self._arrivals.items():
            known = tick if everything else max((at for at in range(tick + 1) if arrivals[at] <= tick), default=0)
            opens = OPENS.is_between(scene.close_of(known - 12), scene.close_of(known), closed="left")
            frames.append(scene.candles().filter((pl.col("symbol") == symbol) & opens))
        return pl.concat(frames)

    def _shuffled(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.sample(fraction=1.0, shuffle=True, seed=self._dice.randrange(1_000))

    def _blackouts(self) -> list[int]:
        """Tick -> tick by which its candle arrives: at times nothing comes for a few ticks, and then all at once."""
        arrivals, until = [], 0
        for tick in range(scene.TICKS + 1):
            if tick > until and self._dice.random() < 0.1:
                until = tick + self._dice.randint(1, 4)
            arrivals.append(max(tick, until))
        return arrivals


def _unjudged(store: Store, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("symbol").replace_strict(_reached(store, scene.START_MS)) <= OPENS)


def _judged(store: Store, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("symbol").replace_strict(_reached(store, 0)) >= OPENS + scene.STEP_MS)


def _reached(store: Store, at_least_ms: int) -> dict[str, int]:
    """Symbol -> close time up to which some group has judged it. The first tick also judges where it starts from."""
    marks = store.ticks.watermarks("5m").items()
    return {
        symbol: max((mark for group, mark in marks if symbol in group), default=at_least_ms) for symbol in scene.SYMBOLS
    }
