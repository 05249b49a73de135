"""A live bot on paper does what its simulation does on the same candles, order for order, however they arrive."""

from datetime import timedelta

import polars as pl
import pytest

from tests.bots.executor.configurations import OF_KIND
from tests.bots.executor.lab import Lab, as_orders, simulated, simulated_orders


@pytest.mark.parametrize("kind", OF_KIND)
@pytest.mark.parametrize("hours", [96, 7])
def test_orders_are_those_of_the_simulation(kind: str, hours: int, lab: Lab, crash: pl.DataFrame) -> None:
    """All candles at once, as after a long absence; and some hours at a time, with a restart after each."""
    lab.store.candles.upsert(crash.head(2))
    bot = lab.create(OF_KIND[kind], kind)
    times = crash["open_time"]
    first, last = times.min(), times.max()
    while first <= last:  # type: ignore[operator]
        stop = first + timedelta(hours=hours)  # type: ignore[operator]
        lab.arrive(crash.filter(pl.col("open_time").is_between(first, stop, closed="left")), "1h")
        with lab.executor() as driven:
            driven.settle()
        first = stop
    simulation = simulated(bot, crash)
    assert simulation.orders.height > 3
    assert as_orders(lab, bot) == simulated_orders(simulation)
    ((_, standing),) = lab.store.bots.standings([bot.number])
    assert standing.quote == str(simulation.state.quote)
    assert standing.fees == str(simulation.fees)
    assert lab.told(bot, "fills").height == simulation.fills.height
    assert lab.told(bot, "deals").height == simulation.deals.height
    assert lab.told(bot)["text"].to_list() == simulation.notes["text"].to_list()
