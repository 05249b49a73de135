"""The loop that runs bots. A round is: which bots there are; commands; candles; up to when all triggers are known; each
bot sees what is due; what came of it is recorded in one transaction for many bots; the inbox forgets what was acted on.

What a process that dies has not recorded is seen again by the next one, in the same order and with the same outcome: a
bot on paper is recorded with its account, and one at an exchange before anything is sent.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable

from bots.executor.crew import Crew
from bots.executor.feed import CandleFeed
from bots.executor.inbox import Inbox
from bots.executor.known import KnownTriggers
from bots.executor.registered import OpenBroker, RegisteredBots
from bots.executor.report import ExecutorReport
from bots.executor.round import Round
from bots.executor.running_bot import RunningMachine
from bots.executor.steps import Steps
from common import failpoints
from common.clock import Clock
from common.errors import StoreError, reason_of
from registry.store.parts.bots import BotCommand
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

PATIENCE_S = 30.0
"""How long a candle waits for the verdicts before it, or a trigger for its candle, where nothing moves."""
_LOOKED_S = 0.5
_RECORDED_S = 1.0
_RECORDED_BOTS = 1_000
_COMMANDS_READ = 10_000
_TROUBLE_S = 5.0
_LONGEST_TROUBLE_S = 300.0

Rearm = Callable[[str, str, str], object]


class Executor:
    """Runs the bots of a store. One at a time: what two of them record is refused.

    ``applied`` says up to which ``seq`` the triggers are in ``inbox``; ``rearm`` is told of user, bot and condition
    when a deal has ended and the bot could begin the next one.
    """

    def __init__(
        self,
        store: Store,
        inbox: Inbox,
        clock: Clock,
        *,
        applied: Callable[[], int],
        open_broker: OpenBroker,
        rearm: Rearm = lambda *_: None,
        patience_s: float = PATIENCE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._clock = clock
        self._rearm = rearm
        self._monotonic = monotonic
        self._patience_s = patience_s
        self._bots = RegisteredBots(store, open_broker, monotonic)
        self._feed = CandleFeed(store, monotonic, patience_s)
        self._known = KnownTriggers(store, applied, monotonic, patience_s)
        self._last_command = 0
        self._commands: dict[int, list[BotCommand]] = {}
        """Number of a bot -> commands that it has not carried out."""
        self._waits: set[int] = set()
        """Bots that have more to see than they could."""
        self._is_first = True
        self._round_ms = 0
        self._failures = Counter[str]()
        self._refused = Counter[str]()

    def report(self) -> ExecutorReport:
        """How it stands, and what it has counted so far; from any thread."""
        now_ms = self._clock.now_ms()
        waiting, oldest_ms = self._inbox.waiting()
        return ExecutorReport(
            round_ms=self._round_ms,
            bots=len(self._bots.crews),
            not_run=self._bots.failed,
            waiting=waiting,
            lag_s=0.0 if oldest_ms is None else max(0, now_ms - oldest_ms) / 1000,
            failures=dict(self._failures),
            refused=dict(self._refused),
        )

    def run(self, stop: threading.Event, wake: threading.Event) -> None:
        """Work until told to stop; ``wake`` is set when something is in the inbox."""
        while not stop.is_set():
            wake.clear()
            if not self.look():
                wake.wait(_LOOKED_S)

    def look(self) -> bool:
        """One round. Returns whether there is more to do at once."""
        round_ms = self._clock.now_ms()
        self._follow_changes()
        self._read_commands()
        has_moved = self._feed.refresh()
        if self._feed.has_other_series:
            self._follow(self._bots.crews.values())
        has_moved |= self._known.refresh()
        crews = self._bots.crews
        if has_moved or self._is_first:
            due = list(crews)
        else:
            wanted = self._waits | self._inbox.bots() | self._commands.keys() | self._bots.elsewhere
            due = [number for number in sorted(wanted) if number in crews]
        self._is_first = False
        began_s, some = self._monotonic(), list[tuple[Crew, Round]]()
        self._waits.clear()
        goes_on = False
        for number in due:
            crew = crews[number]
            if (worked := self._work(crew)) is not None:
                some.append((crew, worked))
                goes_on |= worked.could_go_on
                if worked.has_more:
                    self._waits.add(number)
            if len(some) >= _RECORDED_BOTS or self._monotonic() - began_s > _RECORDED_S:
                self._record(some)
                began_s, some = self._monotonic(), []
        self._record(some)
        self._round_ms = round_ms
        return goes_on

    def _follow_changes(self) -> None:
        fresh, ended = self._bots.refresh()
        for number in ended:
            self._inbox.drop(number)
            self._commands.pop(number, None)
        self._follow(fresh)
        self._waits.update(crew.bot.number for crew in fresh)

    def _follow(self, crews: Iterable[Crew]) -> None:
        """Have the feed show the candles of bots' markets, from where they are, and watch their conditions."""
        machines = [machine for crew in crews for machine in crew.machines]
        from_ms: dict[str, int] = {}
        for machine in machines:
            name = str(machine.instrument)
            from_ms[name] = min(from_ms.get(name, machine.candle_ms), machine.candle_ms)
        for machine in machines:
            machine.before_orders = None if machine.is_on_paper else self._record_now
            self._feed.follow(machine.instrument, machine.machine.readings, from_ms[str(machine.instrument)])
        self._known.watch({condition for machine in machines for condition in machine.roles})

    def _read_commands(self) -> None:
        if self._store.bots.last_command() == self._last_command:
            return
        while commands := self._store.bots.commands_after(self._last_command, _COMMANDS_READ):
            for one in commands:
                self._last_command = one.command_number
                crew = self._bots.crews.get(one.number)
                # A bot that is not known yet is so in the next round.
                if crew is None or any(machine.command < one.command_number for machine in crew.machines):
                    self._commands.setdefault(one.number, []).append(one)

    def _work(self, crew: Crew) -> Round | None:
        """Let a bot see what is due; ``None`` if it failed. One bot's trouble is not that of others."""
        if self._monotonic() < crew.trouble_until_s:
            return None
        number = crew.bot.number
        work = Round(crew, self._feed, self._known, self._monotonic, self._patience_s)
        try:
            work.run(self._inbox.of(number), self._commands.get(number, ()), self._clock.now_ms())
        except StoreError:
            raise
        except Exception as error:
            _log.error("bot %d failed (%s); it goes on from its last record", number, reason_of(error))
            self._failures[crew.bot.kind] += 1
            again = self._bots.again(number)
            if again is not None:
                again.failures = crew.failures + 1
                pause_s = min(_TROUBLE_S * 2**crew.failures, _LONGEST_TROUBLE_S)
                again.trouble_until_s = self._monotonic() + pause_s
                self._follow([again])
            self._waits.add(number)
            return None
        crew.failures = 0
        return work

    def _record(self, worked: list[tuple[Crew, Round]]) -> None:
        """Record what bots did, and only then forget what they were told."""
        steps = Steps()
        refused = Counter[str]()
        for crew, _ in worked:
            self._rearm_after(crew)
            for machine in crew.machines:
                refused[crew.bot.kind] += machine.refused
                machine.refused = 0
            if any(machine.is_changed for machine in crew.machines):
                # All of them: what one may do depends on the others.
                for machine in crew.machines:
                    steps.add(machine.taken())
        self._store_steps(steps)
        self._refused += refused
        done = [(crew.bot.number, work.done) for crew, work in worked if work.done]
        if done:
            self._inbox.take_out(done)
        for crew, work in worked:
            self._commands.pop(crew.bot.number, None)
            crew.forget_places(work.done)
            if crew.is_closed:
                self._store.bots.end(crew.bot.number, at_ms=self._clock.now_ms())

    def _record_now(self, machine: RunningMachine) -> None:
        """Record a bot that trades elsewhere before its orders are sent."""
        steps = Steps()
        steps.add(machine.taken())
        self._store_steps(steps)
        failpoints.reach("before_orders")

    def _store_steps(self, steps: Steps) -> None:
        if steps.states:
            failpoints.reach("before_bots_record")
            self._store.bots.record(steps.changes())
            failpoints.reach("after_bots_record")

    def _rearm_after(self, crew: Crew) -> None:
        """After a deal, the bot is ready again: conditions that are still TRUE may begin the next one."""
        for machine in crew.machines:
            if machine.ended:
                for condition_id, roles in machine.roles.items():
                    key = crew.bot.user_id, crew.bot.bot_id, condition_id
                    if "entry" in roles and (one := self._store.registry.subscription(*key)) and one.policy.while_true:
                        self._rearm(*key)
