"""A machine and its broker together: what is carried out when, live and in a simulation."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic

from bots.brokers.protocol import Broker
from bots.machine import ROLES, ConditionFired, Machine, MachineEvent, S
from bots.orders import CancelOrder, Intent, Note, PlaceOrder

Stepped = Callable[[MachineEvent, S, tuple[Intent, ...]], object]
"""Called with each event, the state after it and the intents, before these are carried out: who stores the state here
finds out after a crash, with :meth:`Runner.resume`, what was not carried out."""


class Runner(Generic[S]):
    """Steps one bot, and carries out what it wants."""

    def __init__(self, bot: Machine[S], broker: Broker, state: S, stepped: Stepped[S] | None = None) -> None:
        self.state = state
        self._bot = bot
        self._broker = broker
        self._stepped = stepped

    def resume(self) -> None:
        """Bring state and broker together, before anything else, after a restart.

        Orders that the broker does not know never left, and are sent now, with the same ids; those that were taken back
        are taken back again; what happened meanwhile is delivered.
        """
        orders = self.state.orders.by_id
        missing = self._broker.past(orders).missing
        for client_id, working in orders.items():
            if working.is_cancelling:
                self._broker.cancel(client_id)
        for client_id, working in orders.items():
            if client_id in missing and not working.is_cancelling:
                self._broker.place(working.order)
        self._broker.reports()
        self._through(deque[MachineEvent](self._broker.past(orders).reports))

    def catch_up(self) -> None:
        """Step through what the broker reports."""
        self._through(deque[MachineEvent](self._broker.reports()))

    def deliver(self, event: MachineEvent) -> None:
        """Step through an event and what the broker answers to what it brings about."""
        self._through(deque([event]))

    def _through(self, events: deque[MachineEvent]) -> None:
        # Reports are taken in the order in which they came: a fill is known before the order is known to be cancelled.
        while events:
            self._step(events.popleft())
            events.extend(self._broker.reports())

    def _step(self, event: MachineEvent) -> None:
        self.state, intents = self._bot.step(self.state, event)
        if self._stepped is not None:
            self._stepped(event, self.state, intents)
        for intent in intents:
            match intent:
                case PlaceOrder(order=order):
                    self._broker.place(order)
                case CancelOrder(client_id=client_id):
                    self._broker.cancel(client_id)
                case Note():
                    pass


def in_order(fired: Iterable[ConditionFired]) -> list[ConditionFired]:
    """The triggers of one close time in the order in which a bot sees them: by role, then by condition."""
    return sorted(fired, key=lambda one: (ROLES.index(one.role), one.condition_id))
