"""Checkpoints of indicators in the store: the state of each after some candle, so that a cold process need not go back
to the anchor.

States are kept as bytes and therefore come back with the same bits. A checkpoint belongs to one series: all of its
indicators after the same candle. It names the definition versions, the anchor and the last rebase, and is usable only
with the same ones. Which conditions existed when it was made does not matter.

Checkpoints are a cache. One that cannot be read or written causes a warning and costs a cold process time.
"""

import logging
from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from common.errors import StoreError
from common.timeframes import show_time
from engine.blocks import SPARE, Computation
from engine.evaluate import SeriesPast
from engine.part import Part
from engine.plan import Plan
from indicators.catalogue import find
from indicators.compute import Carry, start
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

CHECKPOINT_TICKS = 64
"""Ticks of a timeframe from one checkpoint to the next; a cold process repeats at most these and a few more."""

_MOST_KNOWN = 4_096
"""Computations whose text and sizes are remembered: all instruments of a timeframe share them."""

_SERIES = ""
"""The ``indicator`` of the row for the series itself, which says how many candles it has had."""

_SCHEMA = {
    "series": pl.String,
    "indicator": pl.String,
    "anchor_ms": pl.Int64,
    "rebase": pl.Int32,
    "open_ms": pl.Int64,
    "candles": pl.Int64,
    "state": pl.Binary,
}


def save(store: Store, owner: str, parts: Iterable[Part], unjudged: Collection[str], rebase: int) -> int:
    """Save the indicators' states of all parts; returns the number of rows, 0 if there has been another rebase.

    ``unjudged`` are groups that have seen candles that may still change; ``rebase`` was the last one when the candles
    were read.
    """
    if rebase != store.ticks.last_rebase():
        return 0
    anchors = store.ticks.anchors()
    rows = []
    for part in parts:
        judged = {
            part.series[index] for member in part.groups if member.group not in unjudged for index in member.series
        }
        for series, past in part.pasts():
            if series in anchors and series in judged:
                where = (anchors[series], rebase, past.open_ms, past.candles)
                rows.append((series, _SERIES, *where, b""))
                rows += [(series, _text(lane), *where, _bytes(carry)) for lane, carry in past.carries.items()]
    frame = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    # Two parts may read the same series: the one that is further ahead counts.
    furthest = frame.filter(pl.col("open_ms") == pl.col("open_ms").max().over("series"))
    try:
        store.cache.save(owner, furthest.unique(["series", "indicator"], maintain_order=True))
    except StoreError as error:
        _log.warning("no checkpoint of %s: %s", owner, error)
        return 0
    return len(rows)


class Checkpoints:
    """The checkpoints that the store has for the series of a plan."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self._wanted: dict[int, list[Computation]] = {position: [] for position in range(len(plan.series))}
        for block in plan.indicators:
            for series in block.series:
                if series != SPARE:
                    self._wanted[series].append(block.computation)
        self._series = plan.series
        rebases = {str(anchor.series): anchor.rebase for anchor in store.ticks.anchor_history()}
        try:
            rows = store.cache.of(self._series)
        except StoreError as error:
            _log.warning("checkpoints cannot be read: %s", error)
            rows = pl.DataFrame(schema=_SCHEMA)
        self._rows: dict[str, dict[_Moment, dict[str, bytes]]] = {}
        """Series -> where it was -> its indicators' states by their text."""
        for series, indicator, state, rebase, *moment in rows.select(
            "series", "indicator", "state", "rebase", "open_ms", "anchor_ms", "candles"
        ).iter_rows():
            if rebase >= rebases.get(series, 0):
                self._rows.setdefault(series, {}).setdefault(_Moment(*moment), {})[indicator] = state

    def of(self, position: int, anchor: int, until_ms: int) -> SeriesPast | None:
        """The newest checkpoint of a series, after a candle that opened by ``until_ms``, that has every indicator of
        the plan."""
        series = self._series[position]
        computations = {_text(computation): computation for computation in self._wanted[position]}
        for moment, states in sorted(self._rows.get(str(series), {}).items(), reverse=True):
            is_usable = moment.anchor_ms == anchor and moment.open_ms <= until_ms
            if not is_usable or not states.keys() >= {_SERIES, *computations}:
                continue
            try:
                carries = {each: _carry(each, states[text]) for text, each in computations.items()}
            except ValueError as error:
                at = show_time(moment.open_ms)
                _log.warning("the checkpoint of %s at %s is not usable: %s", series, at, error)
            else:
                return SeriesPast(moment.open_ms, moment.candles, carries)
        return None


class _Moment(NamedTuple):
    """Of which candle a checkpoint is, and what it builds on; the newest is the greatest."""

    open_ms: int
    anchor_ms: int
    candles: int


def _text(computation: Computation) -> str:
    """The key of a row: indicator, definition version, parameters, source with the versions of its indicators."""
    return _spelled(computation, find(computation.indicator).version)


@lru_cache(maxsize=_MOST_KNOWN)
def _spelled(computation: Computation, version: int) -> str:
    name, source = computation.indicator, computation.source
    arguments = ",".join(f"{key}={value!r}" for key, value in computation.parameters)
    inner = f" by {computation.source_definitions}" if computation.source_definitions else ""
    return f"{name}={version}({arguments}){'' if source is None else ' of ' + source}{inner}"


def _bytes(carry: Carry) -> bytes:
    return np.concatenate([carry.state, *carry.windows]).tobytes()


def _carry(computation: Computation, state: bytes) -> Carry:
    """Raises ``ValueError`` for bytes that are not a carry of that computation."""
    ends = _ends(computation.indicator, computation.parameters)
    if len(state) != 8 * ends[-1]:
        raise ValueError(f"{computation.indicator} has {len(state)} bytes instead of {8 * ends[-1]}")
    numbers = np.frombuffer(state, np.float64).copy()
    return Carry(numbers[: ends[0]], tuple(numbers[begin:end] for begin, end in pairwise(ends)))


@lru_cache(maxsize=_MOST_KNOWN)
def _ends(indicator: str, parameters: tuple[tuple[str, float], ...]) -> list[int]:
    """Up to which number the state is, and each of the windows after it."""
    model = start(find(indicator), dict(parameters))
    return list(accumulate([model.state.size, *(window.size for window in model.windows)]))
