"""The best of many conditions on shuffled candles is noise, and is called so; an edge that is there is found.

The long form, 10,000 conditions and 200 seeds, is ``python -m benchmarks.noise``.
"""

from benchmarks.noise import EDGE, conditions, outcome, shuffled, with_edge

SEEDS = 3
CANDLES = 4000


def test_noise_is_called_noise_and_a_planted_edge_is_found() -> None:
    tried = conditions(120)
    for seed in range(1, SEEDS + 1):
        candles = shuffled(CANDLES, seed)
        assert not outcome(candles, tried).is_significant
        with_drift = outcome(with_edge(candles, 2 * EDGE), tried)
        assert with_drift.planted_trades >= 30
        assert with_drift.planted_deflated >= 0.95
