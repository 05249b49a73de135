"""The partial results that doubling windows keep in their rings: how many rows they take, and their values.

A window of ``length`` values is assembled from spans of one, two, four ... values. A turn builds the newest span of
each size from two of half that size, and uses those whose lengths add up to ``length``, the smallest at the newest end.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from indicators.catalogue import Window
from indicators.compute import Array

_SECTIONS = {"sum": 1, "weighted": 2, "moments": 2, "tilt": 2, "max": 1, "min": 1, "since_max": 2, "since_min": 2}
"""Kind -> the sections that it keeps for each size of span; other kinds keep none."""

_DISJOINT = ("sum", "weighted", "moments", "tilt")
"""The kinds whose spans must not overlap."""

_FROM_FOUR = ("moments", "tilt")
"""Those of them that recompute spans of two values instead of keeping them."""


def depths(stage: Window, length: int) -> list[int]:
    """The rows of each section of partial results: one or two sections for two values, for four, and so on."""
    sections = _SECTIONS.get(stage.kind, 0)
    rows: list[int] = []
    span = 4 if stage.kind in _FROM_FOUR else 2
    while sections and span <= length:
        if stage.kind in _DISJOINT:
            oldest = max(span if 2 * span <= length else 0, length % span if length & span else 0)
        else:
            oldest = span if 2 * span <= length else length - span
        rows += [oldest + 1] * sections
        span *= 2
    return rows


def partial_values(stage: Window, length: int, values: Array) -> Iterator[Array]:
    """For each section, the partial results of ``values``, float64[length - 1], or float64[length - 1, lanes], oldest
    first."""
    if not depths(stage, length):
        return
    if stage.kind == "sum":
        yield from _sums(values, length)
    elif stage.kind == "weighted":
        yield from _weighted(values, length)
    elif stage.kind in ("moments", "tilt"):
        yield from _moments(values, length, tilted=stage.kind == "tilt")
    else:
        largest = stage.kind.endswith("max")
        yield from _extremes(values, length, largest, dated=stage.kind.startswith("since"))


def _sums(values: Array, length: int) -> Iterator[Array]:
    span = 1
    while 2 * span <= length:
        values = values[:-span] + values[span:]
        yield values
        span *= 2


def _weighted(values: Array, length: int) -> Iterator[Array]:
    span, weighted, sums = 1, values, values
    while 2 * span <= length:
        weighted = weighted[:-span] + weighted[span:] + float(span) * sums[span:]
        sums = sums[:-span] + sums[span:]
        yield weighted
        yield sums
        span *= 2


def _moments(values: Array, length: int, tilted: bool) -> Iterator[Array]:
    span, newest = 2, values[1:]
    sums = values[:-1] - newest
    seconds = 0.5 * (newest - values[:-1]) if tilted else 0.5 * (sums * sums)
    while 2 * span <= length:
        distances = sums[:-span] - span * (newest[span:] - newest[:-span])
        rises = sums[span:] - distances
        more = 0.5 * span * rises if tilted else 0.5 / span * (rises * rises)
        seconds = seconds[:-span] + seconds[span:] + more
        sums, newest = distances + sums[span:], newest[span:]
        yield sums
        yield seconds
        span *= 2


def _extremes(values: Array, length: int, largest: bool, dated: bool) -> Iterator[Array]:
    span, ages = 1, np.zeros(values.shape)
    beats: Callable[[Array, Array], NDArray[np.bool_]]
    beats = {
        (True, True): np.greater_equal,
        (True, False): np.less_equal,
        (False, True): np.greater,
        (False, False): np.less,
    }[dated, largest]
    while 2 * span <= length:
        older, newer = values[:-span], values[span:]
        is_newer = beats(newer, older) | np.isnan(newer)
        values = np.where(is_newer, newer, older)
        ages = np.where(is_newer, ages[span:], ages[:-span] + float(span))
        yield values
        if dated:
            yield ages
        span *= 2
