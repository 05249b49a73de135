# %% [markdown]
# # What sharing saves
#
# Thousands of bots watch the same few markets for the same few things. Each could load candles, compute its indicators
# and judge its conditions by itself; the hub does each of these once and tells everybody. This notebook counts what
# that saves for a population of bots as the demo simulates it: popular symbols are watched more, and most bots use the
# usual parameters.

# %%
from collections import Counter

import polars as pl
from analysis.savings import ReferenceModel, saved_share
from condition_hub.notebook_html import table
from engine.plan import make_plan
from engine.read_alike import indicator_nodes
from hub.demo.population import population
from IPython.display import HTML
from registry import Condition

bots = list(population(5_000, seed=1))
wanted = [Condition.parse(spec) for bot in bots for spec in bot.conditions]
len(bots), len(wanted), len(set(wanted))

# %% [markdown]
# ## Equal conditions
#
# Two conditions are equal if they mean the same, however they are written. These are the ones that most bots share:

# %%
popular = Counter(wanted).most_common(8)
HTML(table([(str(condition), f"{count:,}") for condition, count in popular], ("condition", "bots that want it")))

# %% [markdown]
# ## Equal parts
#
# Conditions that differ still share: `rsi(14) < 30` and `rsi(14) < 25` read one RSI, and everything on a series reads
# the same candles. A *plan* has each part once:

# %%
plans = [make_plan(each for each in set(wanted) if each.timeframe == name) for name in {c.timeframe for c in wanted}]
isolated = {
    "candle loads": sum(len(condition.all_series) for condition in wanted),
    "indicators computed": sum(len(indicator_nodes(condition)) for condition in wanted),
    "conditions judged": len(wanted),
}
shared = {
    "candle loads": sum(len(plan.series) for plan in plans),
    "indicators computed": sum(int(plan.lanes.sum()) for plan in plans),
    "conditions judged": len(set(wanted)),
}
counts = pl.DataFrame(
    {
        "work of one round": list(isolated),
        "isolated bots": list(isolated.values()),
        "the hub": list(shared.values()),
        "saved": [f"{saved_share(isolated[name], shared[name]):.2%}" for name in isolated],
    }
)
counts

# %% [markdown]
# ## How it grows
#
# The work of isolated bots grows with the bots. The hub's grows with what is *different*, and there is less and less of
# that: a new bot usually wants what another one has already.

# %%
growth = []
for size in (100, 300, 1_000, 3_000, 5_000):
    some = [Condition.parse(spec) for bot in bots[:size] for spec in bot.conditions]
    growth.append((size, len(some), len(set(some)), saved_share(len(some), len(set(some)))))
pl.DataFrame(
    growth, schema=["bots", "conditions wanted", "different ones", "saved by equal conditions alone"], orient="row"
)

# %% [markdown]
# ## In time and money
#
# Counts are facts; time needs unit costs. The hub measures its own (`hub status` shows them), and with the costs that
# its design began with, 100 ms to load, 50 ms for an indicator, 10 ms to judge, one round of these bots would be:

# %%
model = ReferenceModel()
alone = model.isolated_parts_ms(*isolated.values())
together = model.shared_ms(*shared.values())
print(f"isolated {alone / 1000:,.0f} s, shared {together / 1000:,.0f} s: {saved_share(alone, together):.2%} saved")

# %% [markdown]
# The dashboard shows the same three views of a running hub, and never mixes them: what was counted, what was measured,
# and what a model says.
