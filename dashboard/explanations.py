"""How each figure of the page Savings comes about."""

from analysis.savings import ReferenceModel
from registry.store.parts.ticks import UnitCosts

_SAVINGS = """
**Counted.** Each tick knows its conditions and their subscriptions, so it knows what bots that share nothing would have
done for the same verdicts: a subscription is one evaluation, one candle load for each series of its condition, and one
computation for each of its distinct indicators. *Equal conditions shared* is the same with one bot for each unique
condition. *Done by the hub*: each series loaded once, each unique indicator computed once, each unique condition judged
once. *Avoided* = isolated bots - done by the hub.

*Requests to exchanges avoided* counts one request of an isolated bot for each series of its condition and each candle
that the hub judged in time; a bot that catches up gets many candles with one, so late candles do not count. What the
hub asked includes everything: markets, back-fills, repetitions, and what confirms candles from websockets.

**Measured.** *This hub* is the sum of the timed stages: loading, indicators, judging, recording, publishing and
preparing the state; Prefect's own time is not included. *Isolated bots* is their counted work times unit costs, which
were measured on this machine by actually doing isolated evaluations, each with its own candle load from the local file.
{unit_costs}

**Modelled.** The reference model applies {load:g} ms for a candle load, {indicator:g} ms for an indicator and
{check:g} ms for a check to the counts above. It stands for bots that load candles from an exchange.

**Money** is the price of a core-hour times the hours that were saved, measured and modelled apart. *In 30 days*
supposes that it goes on as from the first tick of the range to its last, in full hours.

**Unique conditions** are all that are registered, **unique indicators and series** those of the plan of the newest run
of each timeframe, whatever the time range. The range goes by the time of judging, in full hours.
"""


def explanation(costs: UnitCosts | None) -> str:
    """The explanation, with the unit costs that were measured."""
    model = ReferenceModel()
    unit_costs = (
        "They have not been measured on this store yet."
        if costs is None
        else (
            f"Means of {costs.sample:,} evaluations: {costs.load_us / 1e3:.2f} ms per candle load, "
            f"{costs.indicator_us / 1e3:.2f} ms per indicator, {costs.check_us / 1e3:.3f} ms per check."
        )
    )
    return _SAVINGS.format(
        unit_costs=unit_costs, load=model.load_ms, indicator=model.indicator_ms, check=model.check_ms
    )
