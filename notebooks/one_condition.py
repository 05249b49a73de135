# %% [markdown]
# # One condition, honestly
#
# A condition is one sentence about candles, such as "the RSI of BTCUSDT on 1h candles crosses below 30". This notebook
# asks four things of it: what it means, when it would have fired, why it fired on one candle, and whether what followed
# is more than chance. The candles are real ones, BTCUSDT in 2024, and come with the project.

# %%
from datetime import date

import analysis
import indicators
import polars as pl
from candles.sample import SAMPLE_FILES
from registry import Condition

candles = pl.concat([pl.read_parquet(path) for path in SAMPLE_FILES])
candles = candles.filter(pl.col("symbol") == "BTCUSDT", pl.col("timeframe") == "1h").sort("open_time")
candles.select("open_time", "close").describe()

# %% [markdown]
# ## What it means
#
# The condition shows itself: its parts, the text behind its id with every default written out, when it fires, and how
# many candles it needs. All spellings of a condition have one id; whoever registers it shares its evaluation.

# %%
condition = Condition.parse("BTCUSDT 1h: rsi(14) crosses_below 30")
condition

# %%
Condition.parse("binance:btc/usdt 60m: RSI crosses_under 30.0").id == condition.id

# %% [markdown]
# So does an indicator:

# %%
indicators.find("rsi")

# %% [markdown]
# ## When it would have fired
#
# `preview` judges past candles as the hub judges live ones, to the last bit. Times are what you would write: a date, a
# `datetime`, or a text.

# %%
preview = analysis.preview(condition, candles, start=date(2024, 7, 1), end="2024-09-01")
preview

# %% [markdown]
# ## Why it fired
#
# Take the last one. `explain` shows every part of the condition on that candle and on the one before, and how far the
# values are from the threshold.

# %%
analysis.explain(condition, candles, at=preview.last[0].close_time)

# %% [markdown]
# One candle later it does not fire, and says why not:

# %%
analysis.explain(condition, candles, at=preview.last[0].close_time + 3_600_000)

# %% [markdown]
# ## What followed, and whether that means anything
#
# `backtest` trades it: entry at the next open, here an exit after 24 candles, with a fee and slippage on each fill. It
# compares what followed the triggers with what followed *any* candle of the same year, because a market that rises
# makes every entry look good.

# %%
report = analysis.backtest(condition, candles, horizon=24)
report

# %% [markdown]
# Read it from the verdict down:
#
# - **edge** is the mean return after a trigger less the mean return after any candle. If its interval contains 0, these
#   triggers do not tell the edge from none.
# - **hit** is how often the price was higher; beside it stands how often it was higher after any candle.
# - **chance** counts what was tried on these candles. The more was tried, the better the best of it looks for no
#   reason: the next notebook, `a_sweep`, shows how much.
# - **cautions** are what a careful reader would object: few trades, triggers that overlap, indicators that had not
#   settled.
#
# Everything is also there as frames, to go on with:

# %%
report.trades.head(5)
