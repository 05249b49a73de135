# %% [markdown]
# # A bot on history
#
# What would a DCA bot have done in the crash of 5 August 2024? It is one configuration, as you would send it to the
# hub, and it runs here over real candles that ship with the project: the same state machine as live, on paper.

# %%
import polars as pl
from bots.configured_simulation import simulate_bot
from bots.orders import MarketRules
from candles.sample import SAMPLE_FILES
from IPython.display import display

candles = pl.concat(pl.read_parquet(path) for path in SAMPLE_FILES).filter(pl.col("symbol") == "BTCUSDT")
market = MarketRules(tick_size="0.01", lot_size="0.00001", min_notional=5)

dca = {
    "bot_type": "dca",
    "symbol": "BTCUSDT",
    "baseOrderSize": 1000,
    "dcaRules": {
        "safetyOrderVolume": 500,
        "maxSafetyOrders": 5,
        "safetyOrderStepPercentage": 1.5,
        "martingaleStepCoefficient": 1.4,
        "martingaleVolumeCoefficient": 1.5,
    },
    "takeProfit": 1.5,
    "entryConditions": ["BTCUSDT 1h: rsi(14) crosses_below 30"],
}

# %% [markdown]
# The bot sees the candles that close after `since` and by `until`; earlier ones count for indicators only. Sizes are in
# USDT. Each triangle is an execution: buys point up from below the price, sells point down from above it.

# %%
simulation = simulate_bot(dca, candles, since="2024-08-04", until="2024-08-07", market=market)
display(simulation)

# %% [markdown]
# ## What it placed
#
# Everything is a frame. The base order went out when the condition fired, then the ladder of safety orders below it,
# and the take-profit moved down each time one of them was executed.

# %%
simulation.orders.select("time", "purpose", "side", "quantity", "price")

# %%
simulation.fills.select("time", "purpose", "side", "price", "quantity", "fee")

# %% [markdown]
# ## Was it a good idea?
#
# It ended with a profit, and on the way it was down by several times as much. With fewer safety orders it would have
# had less at stake, and its deal would still be open after these three days.

# %%
pl.DataFrame(
    [
        {
            "safety orders": count,
            "profit": float(run.profit),
            "drawdown": run.drawdown,
            "fees": float(run.fees),
            "at the end": run.state.status,
        }
        for count in (0, 1, 2, 3, 4, 5)
        for rules in ({**dca["dcaRules"], "maxSafetyOrders": count},)
        for run in (
            simulate_bot({**dca, "dcaRules": rules}, candles, since="2024-08-04", until="2024-08-07", market=market),
        )
    ]
)

# %% [markdown]
# ## The same days for a grid
#
# A grid buys at lines below the price and sells one line up. Its deals all end with a profit: what it loses is in the
# coins that it still has when the price has left it behind. The gain counts them at the last close.

# %%
grid = {
    "bot_type": "grid",
    "symbol": "BTCUSDT",
    "lower": 48_000,
    "upper": 62_000,
    "count": 29,
    "counted": "lines",
    "baseOrderSize": 250,
}
simulate_bot(grid, candles, since="2024-08-04", until="2024-08-07", market=market)

# %% [markdown]
# Three days prove nothing. What a candle can and cannot know, and how a simulation executes orders within one, is in
# [docs/bots.md](../docs/bots.md). From the shell, on the candles in your store:
# `hub bots simulate bot.json --since 2024-08-04 --html bot.html`.
