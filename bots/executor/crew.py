"""A bot under way as a whole: its machines, one a market, and what counts over all of them."""

from dataclasses import dataclass, field

from bots.definition import BotDefinition
from bots.executor.running_bot import RunningMachine
from bots.protections import EndedDeal
from registry.store.parts.bots import StoredBot

_DEALS_KEPT = 1_000


@dataclass
class Crew:
    """A bot's machines."""

    bot: StoredBot
    definition: BotDefinition
    machines: list[RunningMachine]
    deals: list[EndedDeal] = field(default_factory=list)
    """Those that its protections look at, in the order in which they ended."""
    trouble_until_s: float = 0.0
    """After a failure: when it is tried again."""
    failures: int = 0

    def __post_init__(self) -> None:
        self.condition_ids = frozenset(condition for machine in self.machines for condition in machine.roles)

    @property
    def is_closed(self) -> bool:
        """Whether none of its machines will ever act again."""
        return all(machine.state.status == "closed" for machine in self.machines)

    def why_no_deal(self, machine: RunningMachine, time_ms: int) -> str | None:
        """Why a machine begins no deal at a time; ``None`` if it may."""
        if len(self.machines) > 1:
            most = self.definition.max_active_deals
            if sum(one.has_deal for one in self.machines if one is not machine) >= most:
                return f"max_active_deals is {most}"
        return self.definition.protections.lock_at(self.deals, time_ms) if self.deals else None

    def forget_places(self, places: set[int]) -> None:
        """Forget triggers that have left the inbox."""
        for machine in self.machines:
            machine.shown -= places
            for place in places & machine.waits.keys():
                del machine.waits[place]

    def note_ended(self, machine: RunningMachine, deals_before: int) -> None:
        """Take the deals into account that a machine has ended since it had ended some number of them."""
        if self.definition.protections.lookback_ms and len(machine.ended) > deals_before:
            self.deals = [*self.deals, *machine.ended[deals_before:]][-_DEALS_KEPT:]
