"""The formulae of the deflated Sharpe ratio and of the probability of overfitting, against sums done another way."""

import math
from itertools import combinations

import numpy as np
import pytest

from analysis.backtesting.deflation import (
    cluster_leaders,
    deflate,
    expected_maximum,
    overfitting_probability,
    probability_above,
    sharpe_ratios,
)


def powers(returns: np.ndarray) -> np.ndarray:
    return np.stack([(returns**power).sum(axis=1) for power in (1, 2, 3, 4)], axis=1)


def test_moments_are_those_of_the_returns() -> None:
    returns = np.random.default_rng(1).gamma(2.0, 0.01, (3, 500)) - 0.015
    ratios = sharpe_ratios(powers(returns), 500)
    centred = returns - returns.mean(axis=1, keepdims=True)
    deviations = returns.std(axis=1)
    assert ratios.ratio == pytest.approx(returns.mean(axis=1) / deviations)
    assert ratios.skewness == pytest.approx((centred**3).mean(axis=1) / deviations**3)
    assert ratios.kurtosis == pytest.approx((centred**4).mean(axis=1) / deviations**4)


def test_the_expected_maximum_is_that_of_normal_draws() -> None:
    draws = np.random.default_rng(2).normal(0, 0.1, (4000, 200)).max(axis=1).mean()
    assert expected_maximum(200, 0.01) == pytest.approx(draws, rel=0.01)
    assert expected_maximum(1, 0.01) == 0


def test_the_example_of_the_paper() -> None:
    # Bailey and López de Prado (2014): an annual ratio of 2.5 over five years of daily returns, 100 independent trials
    # whose annual ratios have a variance of 1/2, skewness -3 and kurtosis 10: a threshold of 0.1132 a day, and 0.9004.
    daily = sharpe_ratios(np.zeros((1, 4)), 1250)
    ratios = type(daily)(np.array([2.5 / 250**0.5]), np.array([-3.0]), np.array([10.0]), 1250)
    threshold = expected_maximum(100, 0.5 / 250)
    assert threshold == pytest.approx(0.1132, abs=5e-5)
    assert probability_above(ratios, threshold)[0] == pytest.approx(0.9004, abs=5e-5)


def test_a_condition_that_does_nothing_has_no_ratio() -> None:
    deflation = deflate(np.zeros((2, 4)), np.zeros((2, 64)), 100, asked=2, trials=2)
    assert deflation.ratios.ratio.tolist() == [0, 0]
    assert deflation.independent == 1
    assert deflation.probabilities.tolist() == [0.5, 0.5]


def test_conditions_that_behave_alike_are_one_try() -> None:
    dice = np.random.default_rng(3)
    different = dice.normal(size=(300, 64))
    alike = np.repeat(different[:5], 100, axis=0) + 0.1 * dice.normal(size=(500, 64))
    assert len(cluster_leaders(np.concatenate([different, alike, np.zeros((4, 64))]))) == 301


def test_what_was_tried_before_deflates() -> None:
    dice = np.random.default_rng(4)
    returns = dice.normal(0.1, 1, (1, 1000))
    blocks = dice.normal(size=(1, 64))
    probabilities = [deflate(powers(returns), blocks, 1000, asked=1, trials=n).probabilities[0] for n in (1, 10, 1000)]
    assert probabilities == sorted(probabilities, reverse=True)
    assert probabilities[0] > 0.95 > probabilities[1] > probabilities[2]


def test_the_probability_of_overfitting_is_counted_as_the_paper_says() -> None:
    dice = np.random.default_rng(5)
    returns = dice.normal(0, 1, (7, 16, 20))
    blocks = np.stack([returns.sum(axis=2), (returns**2).sum(axis=2)], axis=2)
    worse = total = 0
    for chosen in combinations(range(16), 8):
        rest = [block for block in range(16) if block not in chosen]
        inside, outside = returns[:, list(chosen)].reshape(7, -1), returns[:, rest].reshape(7, -1)
        best = int(np.argmax(inside.mean(axis=1) / inside.std(axis=1)))
        there = outside.mean(axis=1) / outside.std(axis=1)
        rank = int((there <= there[best]).sum()) / 8
        worse += math.log(rank / (1 - rank)) <= 0
        total += 1
    assert overfitting_probability(blocks, np.full(16, 20)) == pytest.approx(worse / total, abs=1e-12)
    assert overfitting_probability(blocks[:1], np.full(16, 20)) is None


def test_skill_is_not_overfitting() -> None:
    dice = np.random.default_rng(6)
    returns = dice.normal(0, 1, (50, 16, 100))
    returns[7] += 0.3
    blocks = np.stack([returns.sum(axis=2), (returns**2).sum(axis=2)], axis=2)
    assert overfitting_probability(blocks, np.full(16, 100)) == 0
    noise = np.stack(
        [(returns - returns.mean(axis=(1, 2), keepdims=True)).sum(axis=2), (returns**2).sum(axis=2)], axis=2
    )
    assert (overfitting_probability(noise, np.full(16, 100)) or 0) > 0.5
