"""Who acts on triggers: four kinds of bots as pure state machines, and the brokers that execute their orders.

``bots.dca``, ``bots.grid``, ``bots.trend`` and ``bots.market_making`` each have a ``Config``, a ``State`` and a machine
with ``step(state, event) -> (state, intents)``. :mod:`bots.machine` has what they share, :mod:`bots.simulation` runs
them over history, :mod:`bots.importing` reads the configurations of other platforms. ``docs/bots.md`` is the page for
users.
"""
