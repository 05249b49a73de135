"""What a bot sees in one round of the executor, in the order of a simulation.

At one close: the candle, with what it fills; commands; then what fired, by role. Machines of several markets go forward
together, close by close.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from bots.executor.crew import Crew
from bots.executor.feed import CandleFeed
from bots.executor.inbox import WaitingTrigger
from bots.executor.known import KnownTriggers
from bots.executor.running_bot import RunningMachine, as_seen
from bots.machine import CandleClosed
from registry.store.parts.bots import BotCommand


class Round:
    """One round of one bot."""

    def __init__(
        self,
        crew: Crew,
        feed: CandleFeed,
        known: KnownTriggers,
        monotonic: Callable[[], float],
        patience_s: float,
    ) -> None:
        self._crew = crew
        self._feed = feed
        self._known = known
        self._monotonic = monotonic
        self._patience_s = patience_s
        self._known_ms = known.until(crew.condition_ids)
        self.has_more = False
        """Whether something is there that could not be seen yet."""
        self.could_go_on = False
        """Whether the next round can see more without anything new."""
        self.done: set[int] = set()
        """Places of the triggers that were acted on by all machines that they are for."""

    def run(self, waiting: Sequence[WaitingTrigger], commands: Iterable[BotCommand], now_ms: int) -> None:
        """Let the bot's machines see what is due."""
        crew = self._crew
        orders = deque(commands)
        for machine in crew.machines:
            if not machine.is_on_paper:
                machine.meet_broker(now_ms)
        candles = {id(machine): deque(self._candles_of(machine)) for machine in crew.machines}
        while any(candles.values()):
            close_ms = min(queue[0].time_ms for queue in candles.values() if queue)
            self._fire(waiting)
            if close_ms - 1 > self._known_ms:
                self._known.wait_for(crew.condition_ids, close_ms - 1)
                self.has_more = True
                break
            self._obey(orders, close_ms)
            for machine in crew.machines:
                queue = candles[id(machine)]
                if queue and queue[0].time_ms == close_ms:
                    self._see(machine, queue.popleft())
        else:
            self.could_go_on = self.has_more
        self._obey(orders, None)
        self._fire(waiting)
        self._give_up_waiting(waiting, {name for name, queue in candles.items() if queue})

    def _candles_of(self, machine: RunningMachine) -> list[CandleClosed]:
        series = self._feed.series_of(machine.instrument)
        if series is None or machine.state.status == "closed":
            return []
        candles = self._feed.after(series, machine.candle_ms)
        # A read of that many may have left some behind.
        self.has_more |= len(candles) >= self._feed.MOST
        return candles

    def _see(self, machine: RunningMachine, candle: CandleClosed) -> None:
        ended = len(machine.ended)
        may_enter = machine.has_deal or self._crew.why_no_deal(machine, candle.time_ms) is None
        machine.see(candle, may_enter=may_enter)
        self._crew.note_ended(machine, ended)

    def _obey(self, commands: deque[BotCommand], before_ms: int | None) -> None:
        """Carry out the commands from before a close, or all of them."""
        while commands and (before_ms is None or commands[0].given_ms < before_ms):
            command = commands.popleft()
            for machine in self._crew.machines:
                machine.obey(command)

    def _fire(self, waiting: Sequence[WaitingTrigger]) -> None:
        """Show the triggers that are due: of closes by the last candle, if all that fired with them are known."""
        for machine in self._crew.machines:
            due = [
                one
                for one in waiting
                if one.condition_id in machine.roles
                and one.place not in machine.shown
                and one.close_ms <= min(machine.candle_ms, self._known_ms)
            ]
            self._show(machine, due)
        self._settle(waiting)

    def _give_up_waiting(self, waiting: Sequence[WaitingTrigger], with_candles: set[int]) -> None:
        """A trigger whose candle does not come, as nobody traded or a feed stands still, is shown without it.

        ``with_candles`` are the machines that have candles to see.
        """
        for machine in self._crew.machines:
            for one in waiting:
                if one.condition_id in machine.roles and one.place not in machine.shown:
                    self.has_more = True
                    self._known.wait_for(self._crew.condition_ids, one.close_ms)
                    since_s = machine.waits.setdefault(one.place, self._monotonic())
                    if self._monotonic() - since_s >= self._patience_s and id(machine) not in with_candles:
                        self._show(machine, [one])
        self._settle(waiting)

    def _show(self, machine: RunningMachine, due: list[WaitingTrigger]) -> None:
        if not due:
            return
        for event in as_seen(machine, due):
            ended = len(machine.ended)
            why = None
            if event.role == "entry" and not machine.has_deal:
                why = self._crew.why_no_deal(machine, event.time_ms)
            if why is None:
                machine.deliver(event)
            else:
                machine.pass_over(event, f"no deal: {why}")
            self._crew.note_ended(machine, ended)
        machine.shown.update(one.place for one in due)

    def _settle(self, waiting: Sequence[WaitingTrigger]) -> None:
        """Note which triggers nobody has to see any more."""
        machines = self._crew.machines
        for one in waiting:
            if all(one.condition_id not in each.roles or one.place in each.shown for each in machines):
                self.done.add(one.place)
