# %% [markdown]
# # A sweep, and why the best cell lies
#
# Which period, which threshold? It is cheap to try them all, and it is how people fool themselves. This notebook sweeps
# a condition over real candles, then over the same candles in a random order, in which there is nothing to know, and
# puts the two best cells side by side.

# %%
import analysis
import numpy as np
import polars as pl
from candles.sample import SAMPLE_FILES

candles = pl.concat([pl.read_parquet(path) for path in SAMPLE_FILES])
candles = candles.filter(pl.col("symbol") == "ETHUSDT", pl.col("timeframe") == "1h").sort("open_time")
template = "ETHUSDT 1h: rsi({period}) crosses_below {level}"
parameters = {"period": range(5, 29, 2), "level": range(20, 44, 3)}

# %% [markdown]
# ## On real candles
#
# 96 conditions are judged together: each RSI is computed once, whatever it is compared with.

# %%
real = analysis.sweep(template, candles, parameters, horizon=24)
real

# %% [markdown]
# The best cell looks like a discovery. Before you believe it, ask what the best of so many would look like if there was
# nothing to discover.

# %% [markdown]
# ## On noise
#
# The same candles, their steps in a random order: the same mean, the same volatility, the same fat tails, and no
# memory. Whatever a condition on past prices earns here beyond that mean, it earns by luck.


# %%
def shuffled(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Candles whose steps from one close to the next come in a random order."""
    steps = np.log(frame.select("open", "high", "low", "close").to_numpy()[1:])
    steps -= np.log(frame["close"].to_numpy()[:-1])[:, None]
    steps = np.random.default_rng(seed).permutation(steps)
    before = np.concatenate([[0.0], np.cumsum(steps[:-1, 3])])
    prices = np.exp(before[:, None] + steps) * frame["close"][0]
    columns = {name: prices[:, at] for at, name in enumerate(("open", "high", "low", "close"))}
    return frame[1:].with_columns(**{name: pl.Series(column) for name, column in columns.items()})


noise = [analysis.sweep(template, shuffled(candles, seed), parameters, horizon=24) for seed in range(3)]
noise[0]

# %% [markdown]
# ## Side by side
#
# The best cell of each, and what the report thinks of it. Real candles and noise have best cells alike; what differs is
# only whether somebody believes in them.

# %%
sweeps = {"real": real, **{f"noise {number}": each for number, each in enumerate(noise)}}
pl.concat(
    [
        each.best.select(
            pl.lit(name).alias("candles"),
            "period",
            "level",
            "trades",
            "total_return",
            "sharpe_a_year",
            "deflated_sharpe",
        )
        for name, each in sweeps.items()
    ]
)

# %% [markdown]
# Two numbers keep a sweep honest:
#
# - The **deflated Sharpe ratio** compares the best cell with the best that so many *independent* trials give by chance.
#   The hub counts the trials itself: distinct conditions that were tried on the series, those that trade alike as one.
#   It cannot be talked down by forgetting what was tried.
# - The **probability of overfitting** splits the time into blocks, picks the best cell on one half and looks where it
#   lands on the other. At 0.5, picking the best is no better than picking any.
#
# What to do instead: decide before you look, keep a span of time that you have not looked at, prefer a *region* of good
# cells to a peak, and let a condition run live for a while. Judging is cheap: the hub shares the work.
