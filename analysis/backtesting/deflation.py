"""How much the best of many tries is worth: the deflated Sharpe ratio and the probability of backtest overfitting.

Sharpe ratios here are per candle and of *excess* returns: what the candles in a position returned less what candles
return on average, before costs, and 0 on all other candles. In a market that rises, every long position earns; what is
asked is whether the condition knew anything. Costs would tell conditions apart by how often they trade.

- D. H. Bailey, M. López de Prado: "The Deflated Sharpe Ratio", Journal of Portfolio Management 40 (5), 2014.
- D. H. Bailey, J. Borwein, M. López de Prado, Q. J. Zhu: "The Probability of Backtest Overfitting", Journal of
  Computational Finance 20 (4), 2016.
"""

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np

from analysis.backtesting.judging import Integers
from indicators.compute import Array

_NORMAL = NormalDist()
_EULER = 0.5772156649015329
_ALIKE = 0.7
"""Two conditions whose excess returns by blocks correlate so much are one try."""
_AT_ONCE = 256
_HALVES_OF = 16
"""Blocks of which halves are chosen: 12,870 ways."""
_MOST_HALVES = 1287
_MANY = 1000


@dataclass(frozen=True)
class SharpeRatios:
    """Of several conditions, by condition: per candle, with the moments of the returns."""

    ratio: Array
    skewness: Array
    kurtosis: Array
    """3 for a normal distribution."""
    candles: int


def sharpe_ratios(powers: Array, candles: int) -> SharpeRatios:
    """From sums of the first to fourth powers of returns, ``powers`` float64[conditions, 4], over ``candles`` candles,
    those without a position included. A condition without any return has a ratio of 0."""
    m1, m2, m3, m4 = (powers / max(1, candles)).T
    variance = m2 - m1 * m1
    is_moving = variance > 1e-300
    deviation = np.sqrt(np.where(is_moving, variance, 1.0))
    third = m3 - 3 * m1 * m2 + 2 * m1**3
    fourth = m4 - 4 * m1 * m3 + 6 * m1 * m1 * m2 - 3 * m1**4
    return SharpeRatios(
        np.where(is_moving, m1 / deviation, 0.0),
        np.where(is_moving, third / deviation**3, 0.0),
        np.where(is_moving, fourth / deviation**4, 3.0),
        candles,
    )


def expected_maximum(trials: float, variance: float) -> float:
    """The Sharpe ratio that the best of so many tries is expected to have where none knows anything."""
    if trials <= 1:
        return 0.0
    quantiles = _NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * ((1 - _EULER) * quantiles[0] + _EULER * quantiles[1])


def probability_above(ratios: SharpeRatios, threshold: float) -> Array:
    """The probabilistic Sharpe ratio: how probable it is that each true ratio lies above a threshold."""
    spread = 1 - ratios.skewness * ratios.ratio + (ratios.kurtosis - 1) / 4 * ratios.ratio**2
    scores = (ratios.ratio - threshold) * math.sqrt(max(0, ratios.candles - 1)) / np.sqrt(np.maximum(spread, 1e-12))
    return np.array([_NORMAL.cdf(score) for score in scores.tolist()])


@dataclass(frozen=True)
class Deflation:
    """What was tried on a series, and what that leaves of the Sharpe ratios."""

    trials: int
    """Distinct conditions that are known to have been tried."""
    independent: float
    """How many of them are not alike."""
    threshold: float
    """The Sharpe ratio, per candle, that the best of so many tries is expected to have by chance."""
    probabilities: Array
    """Of each condition asked for: the deflated Sharpe ratio, the probability that it is better than that."""
    ratios: SharpeRatios


def deflate(powers: Array, blocks: Array, candles: int, *, asked: int, trials: int) -> Deflation:
    """Deflate the first ``asked`` of some conditions by all of them, of ``trials`` that are known to have been tried.

    ``blocks`` float64[conditions, blocks] are sums of excess returns. The variance of the tries' ratios is the observed
    one between clusters, but at least ``1 / (candles - 1)``, that of the estimate of a ratio of 0: a few tries that
    happen to agree prove nothing.
    """
    ratios = sharpe_ratios(powers, candles)
    leaders = cluster_leaders(blocks)
    independent = max(1.0, len(leaders) * trials / max(1, len(blocks)))
    least = 1 / max(1, candles - 1)
    observed = float(np.var(ratios.ratio[leaders], ddof=1)) if len(leaders) > 1 else 0.0
    threshold = expected_maximum(independent, max(observed, least))
    mine = SharpeRatios(ratios.ratio[:asked], ratios.skewness[:asked], ratios.kurtosis[:asked], candles)
    return Deflation(trials, independent, threshold, probability_above(mine, threshold), mine)


def cluster_leaders(blocks: Array) -> list[int]:
    """One condition of each cluster: those that do not correlate with an earlier one by ``0.7`` or more."""
    centred = blocks - blocks.mean(axis=1, keepdims=True)
    lengths = np.sqrt((centred**2).sum(axis=1))
    vectors = centred / np.where(lengths > 0, lengths, 1.0)[:, None]
    leaders: list[int] = []
    # All that never traded are one try.
    still = np.flatnonzero(lengths == 0)
    leaders += still[:1].tolist()
    moving = np.flatnonzero(lengths > 0)
    for begin in range(0, moving.size, _AT_ONCE):
        batch = moving[begin : begin + _AT_ONCE]
        if leaders:
            batch = batch[~((vectors[batch] @ vectors[leaders].T) >= _ALIKE).any(axis=1)]
        alike = vectors[batch] @ vectors[batch].T >= _ALIKE
        chosen: list[int] = []
        for row in range(batch.size):
            if not alike[row, chosen].any():
                chosen.append(row)
        leaders += batch[chosen].tolist()
    return leaders


def overfitting_probability(blocks: Array, sizes: Integers) -> float | None:
    """The probability of backtest overfitting by combinatorially symmetric cross-validation.

    The range is cut into 16 blocks. For every choice of 8 of them, the condition with the best Sharpe ratio in those is
    looked up in the other 8: the result is how often it is not better than the median there. ``blocks`` float64[
    conditions, blocks, 2] are sums of excess returns and of their squares, ``sizes`` the candles of each block.
    With more than 1,000 conditions, every tenth choice is looked at. ``None`` for fewer than two conditions.
    """
    count, many = blocks.shape[0], blocks.shape[1]
    if count < 2:
        return None
    merged = blocks.reshape(count, _HALVES_OF, many // _HALVES_OF, 2).sum(axis=2)
    candles = sizes.reshape(_HALVES_OF, -1).sum(axis=1).astype(np.float64)
    halves = np.zeros((math.comb(_HALVES_OF, _HALVES_OF // 2), _HALVES_OF))
    for row, chosen in enumerate(combinations(range(_HALVES_OF), _HALVES_OF // 2)):
        halves[row, chosen] = 1
    if count > _MANY:
        halves = halves[:: len(halves) // _MOST_HALVES]
    sums, squares = merged[:, :, 0].T, merged[:, :, 1].T
    worse = 0
    for begin in range(0, len(halves), _AT_ONCE):
        inside = halves[begin : begin + _AT_ONCE]
        outside = 1 - inside
        best = np.argmax(_ratios(inside @ sums, inside @ squares, inside @ candles), axis=1)
        there = _ratios(outside @ sums, outside @ squares, outside @ candles)
        mine = there[np.arange(len(best)), best][:, None]
        below, equal = (there < mine).sum(axis=1), (there == mine).sum(axis=1)
        # Ranks of equal values are shared, so that conditions that do nothing are neither better nor worse.
        rank = below + (equal + 1) / 2
        worse += int((rank / (count + 1) <= 0.5).sum())
    return worse / len(halves)


def _ratios(sums: Array, squares: Array, candles: Array) -> Array:
    means = sums / candles[:, None]
    variances = squares / candles[:, None] - means**2
    is_moving = variances > 1e-300
    return np.where(is_moving, means / np.sqrt(np.where(is_moving, variances, 1.0)), 0.0)
