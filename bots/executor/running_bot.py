"""One bot under way: its machines, their brokers, and in which order they see what happens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bots.arithmetic import exactly
from bots.brokers.paper import PaperAccount, PaperBroker
from bots.brokers.protocol import Broker
from bots.definition import KINDS, BotDefinition, machine_id
from bots.executor.inbox import WaitingTrigger
from bots.executor.steps import Steps, encoded
from bots.lifecycle import DealState
from bots.machine import (
    BotState,
    CandleClosed,
    Command,
    Commanded,
    ConditionFired,
    ConditionRole,
    Machine,
    MachineEvent,
    OrderRejected,
    TimePassed,
)
from bots.orders import Intent, Note
from bots.protections import EndedDeal
from bots.running import Runner, in_order
from registry.instruments import Instrument
from registry.store.parts.bots import BotCommand, StoredBot

Roles = Mapping[str, tuple[ConditionRole, ...]]
"""Condition -> what it is to a machine."""
_UNSAVED_MOST = 240
"""Candles after which a state is recorded though nothing has happened, so that little is seen again after a restart."""


@dataclass
class RunningMachine:
    """A bot's machine in one market, its broker, and what it does not know yet."""

    bot: StoredBot
    definition: BotDefinition
    instrument: Instrument
    roles: Roles
    broker: Broker
    state: BotState
    revision: int = 0
    command: int = 0
    steps: Steps = field(default_factory=Steps)
    is_changed: bool = False
    unsaved_candles: int = 0
    ended: list[EndedDeal] = field(default_factory=list)
    """Deals that have ended since the last record."""
    refused: int = 0
    """Orders that its broker has refused since the last record."""
    shown: set[int] = field(default_factory=set)
    """Places of triggers in the inbox that it has seen."""
    waits: dict[int, float] = field(default_factory=dict)
    """Places of triggers that wait for a candle, and since when."""
    is_met: bool = False
    """Whether state and broker were brought together since the process began."""
    before_orders: Callable[["RunningMachine"], object] | None = None
    """Called when a step wants something of a broker that is no paper, before it is sent: records the state."""

    def __post_init__(self) -> None:
        name = machine_id(self.bot.user_id, self.bot.bot_id, self.bot.created_ms, str(self.instrument))
        self._machine = self.definition.machine(name, self.broker.market)
        self._idle = self.definition.machine(name, self.broker.market, may_enter=False)
        self._runner = self._run_by(self._machine)
        self._idle_runner = self._run_by(self._idle)

    @property
    def key(self) -> tuple[int, str]:
        """Its bot's number and its instrument."""
        return self.bot.number, str(self.instrument)

    @property
    def machine(self) -> Machine[Any]:
        """What it runs."""
        return self._machine

    @property
    def candle_ms(self) -> int:
        """Close of the last candle that it has seen; candles from before the bot are none of its."""
        return max(self.state.candle_ms, self.bot.created_ms)

    @property
    def has_deal(self) -> bool:
        """Whether a deal is under way or begins."""
        return isinstance(self.state, DealState) and self.state.deal is not None

    @property
    def is_on_paper(self) -> bool:
        """Whether its broker is recorded with it."""
        return isinstance(self.broker, PaperBroker)

    def meet_broker(self, time_ms: int) -> None:
        """Step through what a broker reports by itself, and through the time; the first time, bring state and broker
        together."""
        self._with(self._runner, Runner.catch_up if self.is_met else Runner.resume)
        self.is_met = True
        self.deliver(TimePassed(time_ms))

    def see(self, candle: CandleClosed, *, may_enter: bool) -> None:
        """Let a candle pass over the book, and show it to the machine."""
        if isinstance(self.broker, PaperBroker):
            self.broker.move(candle)
        runner = self._runner if may_enter else self._idle_runner
        self._with(runner, Runner.catch_up)
        self._with(runner, lambda one: one.deliver(candle))
        self.unsaved_candles += 1
        self.is_changed |= self.unsaved_candles >= _UNSAVED_MOST

    def deliver(self, event: MachineEvent) -> None:
        """Show something else to the machine."""
        self._with(self._runner, lambda one: one.deliver(event))

    def obey(self, command: BotCommand) -> None:
        """Carry out a command once."""
        if command.command_number > self.command:
            self.command = command.command_number
            self.is_changed = True
            told: Command = command.command  # type: ignore[assignment]
            self.deliver(Commanded(max(command.given_ms, self.state.candle_ms), told))

    def pass_over(self, fired: ConditionFired, text: str) -> None:
        """Take a trigger for seen without acting on it, and tell the owner why."""
        acted = self.state.acted_ms
        if fired.time_ms > acted.get(fired.condition_id, 0):
            self.is_changed = True
            self.state = msgspec.structs.replace(self.state, acted_ms={**acted, fired.condition_id: fired.time_ms})
            self.steps.rows["notes"].append((*self.key, fired.time_ms, text))

    def taken(self) -> Steps:
        """What is to be recorded: everything since the last call, and the state after it."""
        state = self.state
        account: str | None = None
        if isinstance(self.broker, PaperBroker):
            self.broker.forget_ended(state.orders.by_id)
            account = encoded(self.broker.account)
        self.revision += 1
        self.is_changed, self.unsaved_candles = False, 0
        steps, self.steps, self.ended = self.steps, Steps(), []
        deals = state.deals if isinstance(state, DealState) else getattr(state, "sold", 0)
        amounts = map(str, (state.price, state.base, state.quote, state.fees))
        steps.states.append((
            *self.key, self.revision, state.status, self.candle_ms, *amounts, deals, len(state.orders), state.error,
            self.command, encoded(state), account,
        ))  # fmt: skip
        return steps

    def _run_by(self, machine: Machine[Any]) -> Runner[Any]:
        return Runner(machine, self.broker, self.state, self._stepped)

    def _with(self, runner: Runner[Any], work: Callable[[Runner[Any]], object]) -> None:
        runner.state = self.state
        _exactly(runner, work)
        self.state = runner.state

    def _stepped(self, event: MachineEvent, after: BotState, intents: tuple[Intent, ...]) -> None:
        before, self.state = self.state, after
        if after is before:
            return
        self.refused += isinstance(event, OrderRejected)
        ended = self.steps.step(self.key, before, event, after, intents)
        if ended is not None:
            self.ended.append(ended)
        self.is_changed |= bool(intents) or not isinstance(event, CandleClosed | TimePassed) or _differs(before, after)
        if self.before_orders is not None and any(not isinstance(intent, Note) for intent in intents):
            self.before_orders(self)


def account_of(row: Mapping[str, Any] | None) -> PaperAccount | None:
    """The paper account in a machine's record; ``None`` if it has none."""
    if row is None or row["account"] is None:
        return None
    return msgspec.json.decode(row["account"], type=PaperAccount)


def restored(
    bot: StoredBot,
    definition: BotDefinition,
    instrument: Instrument,
    roles: Roles,
    broker: Broker,
    row: Mapping[str, Any] | None,
) -> RunningMachine:
    """A machine as its last record says; ``None`` is one before its first step."""
    if row is None:
        start = definition.machine("", broker.market).start()
        return RunningMachine(bot, definition, instrument, roles, broker, start)
    state = msgspec.json.decode(row["state"], type=KINDS[definition.kind].state)
    revision, command = row["revision"], row["command"]
    return RunningMachine(bot, definition, instrument, roles, broker, state, revision=revision, command=command)


def as_seen(machine: RunningMachine, triggers: list[WaitingTrigger]) -> list[ConditionFired]:
    """Triggers as events, close by close, once for each of their roles."""
    fired = [
        ConditionFired(one.close_ms, one.condition_id, role, one.price)
        for one in triggers
        for role in machine.roles[one.condition_id]
    ]
    by_close: dict[int, list[ConditionFired]] = {}
    for event in fired:
        by_close.setdefault(event.time_ms, []).append(event)
    return [event for close_ms in sorted(by_close) for event in in_order(by_close[close_ms])]


@exactly
def _exactly(runner: Runner[Any], work: Callable[[Runner[Any]], object]) -> None:
    work(runner)


def _differs(before: BotState, after: BotState) -> bool:
    """Whether a candle changed more than the price: what has not is seen again after a restart, with the same
    outcome."""
    return msgspec.structs.replace(after, price=before.price, candle_ms=before.candle_ms) != before
