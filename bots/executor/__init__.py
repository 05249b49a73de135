"""Runs bots: takes what fired and what candles closed, steps their machines, and records what they did.

A trigger's way: the consumer group puts it into the inbox (:mod:`bots.executor.inbox`); once the candles before it are
there, and all triggers before those (:mod:`bots.executor.known`), the bot sees them in the order in which a simulation
would (:mod:`bots.executor.running_bot`); state, orders, fills and deals go into the store in one transaction
(:mod:`bots.executor.recording`); only then does it leave the inbox (:mod:`bots.executor.executor`).
"""
