"""A hub whose bots are driven by hand: candles arrive, ticks are judged and published, the executor looks."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from bots.definition import DefinedBot, define_bot, machine_id
from bots.executor.consuming import CONSUMER, BotTriggers
from bots.executor.executor import Executor
from bots.executor.inbox import Inbox
from bots.executor.registered import OpenBroker, RegisteredBots
from bots.simulation import Simulation, simulate
from common.clock import ReplayClock
from common.errors import BrokerError
from common.timeframes import to_ms
from events.consuming.consumer import Consumer
from events.consuming.current_truths import StoreTruthSource
from events.consuming.ledger import Ledger
from events.log.publisher import drain
from events.log.redis_log import RedisEventLog
from flows.advance import advance
from flows.runtime import Runtime
from registry.store.parts.bots import ConditionUse, NewBot, StoredBot
from registry.store.protocol import Store
from registry.subscriptions import DeliveryPolicy

NO_PATIENCE_LIMIT_S = 1e9


def no_broker(_: str, account: str, __: object) -> Any:
    raise BrokerError(f"there is no account {account!r}")


class Driven:
    """An executor and its consumer in this thread."""

    def __init__(
        self,
        store: Store,
        log: RedisEventLog,
        clock: ReplayClock,
        ledger: Ledger,
        open_broker: OpenBroker = no_broker,
        patience_s: float = NO_PATIENCE_LIMIT_S,
    ) -> None:
        import threading

        self.inbox = Inbox(ledger)
        triggers = BotTriggers(RegisteredBots(store, open_broker), self.inbox, threading.Event())
        self.consumer = Consumer(
            CONSUMER, log, store, ledger, triggers, clock, truths=StoreTruthSource(store, clock), start=0,
            start_change=0, flush=triggers.flush, is_for=triggers.is_for, retry_after_s=(0.0,) * 4,
        )  # fmt: skip
        self.executor = Executor(
            store, self.inbox, clock, applied=lambda: self.consumer.recorded_seq, open_broker=open_broker,
            rearm=self.consumer.rearm, patience_s=patience_s,
        )  # fmt: skip

    def consume(self) -> None:
        """Take what was published into the inbox."""
        idle = 0
        while idle < 2:
            idle = 0 if self.consumer.step(wait_ms=1) else idle + 1

    def settle(self) -> None:
        """Consume and look until nothing is left to do."""
        self.consume()
        while self.executor.look():
            self.consume()
        # Once more: what a deal's end makes the consumer deliver.
        self.consume()
        while self.executor.look():
            pass


class Lab:
    """Store, log and judge of a hub, and executors on it."""

    def __init__(self, store: Store, log: RedisEventLog, clock: ReplayClock, folder: Path) -> None:
        self.store = store
        self.log = log
        self.clock = clock
        self._ledger = folder / "bots.ledger"
        self.runtime = Runtime(store, log, clock)

    @contextmanager
    def executor(self, **options: Any) -> Iterator[Driven]:
        """An executor; its ledger is closed at the end, as if the process had ended."""
        with Ledger(self._ledger) as ledger:
            yield Driven(self.store, self.log, self.clock, ledger, **options)

    def arrive(self, candles: pl.DataFrame, *timeframes: str) -> None:
        """Store candles, and judge and publish the ticks of some timeframes up to the newest close of each."""
        self.store.candles.upsert(candles)
        for timeframe in timeframes:
            self.judge(timeframe, _last_close(candles, timeframe))

    def judge(self, timeframe: str, close_ms: int | None) -> None:
        """Judge and publish up to a close."""
        if close_ms is not None:
            self.clock.move_to(max(close_ms, self.clock.now_ms()))
            asyncio.run(advance(self.runtime, timeframe, close_ms))
            drain(self.store, self.log)

    def create(
        self,
        bot_config: Mapping[str, Any],
        kind: str = "dca",
        *,
        user: str = "ann",
        bot_id: str = "b1",
        policy: DeliveryPolicy | None = None,
        at_ms: int | None = None,
    ) -> StoredBot:
        """A bot, made as the API makes them."""
        defined = define_bot(bot_config, kind)
        at_ms = self.clock.now_ms() if at_ms is None else at_ms
        conditions = [condition for condition, _ in defined.conditions]
        if conditions:
            self.store.registry.register(conditions, active_from_ms=at_ms)
        bot, _ = self.store.bots.create(
            new_bot(defined, bot_config, user, bot_id), policy or DeliveryPolicy(), active_from_ms=at_ms
        )
        return bot

    def told(self, bot: StoredBot, kind: Any = "notes") -> pl.DataFrame:
        """What a bot did, oldest first."""
        return self.store.bots.history(bot.number, kind, 100_000).reverse().drop("entry", "number")

    def status(self, bot: StoredBot) -> list[str]:
        """How a bot's machines stand."""
        return [standing.status for _, standing in self.store.bots.standings([bot.number])]


def new_bot(defined: DefinedBot, bot_config: Mapping[str, Any], user: str, bot_id: str) -> NewBot:
    """A defined bot as the store takes it."""
    return NewBot(
        user,
        bot_id,
        defined.definition.kind,
        defined.definition.account,
        tuple(map(str, defined.instruments)),
        tuple(ConditionUse(str(where), condition.id, role) for where, condition, role in defined.roles()),
        dict(bot_config),
    )


def simulated(bot: StoredBot, candles: pl.DataFrame) -> Simulation[Any]:
    """The same bot in a simulation on candles."""
    defined = define_bot(bot.bot_config, bot.kind)
    definition, (instrument, *_) = defined.definition, defined.instruments
    name = machine_id(bot.user_id, bot.bot_id, bot.created_ms, str(instrument))
    account = definition.new_account()
    return simulate(
        definition.machine(name, definition.market(None)),
        candles,
        defined.conditions,
        symbol=str(instrument),
        base=account.base,
        quote=account.quote,
        path=definition.path,
    )


def as_orders(lab: Lab, bot: StoredBot) -> list[tuple[Any, ...]]:
    """The orders of a bot as a simulation names them."""
    rows = lab.told(bot, "orders")
    return [
        (to_ms(row["placed_at"]), row["client_id"], row["purpose"], row["side"], float(row["quantity"]),
         None if row["price"] is None else float(row["price"]))
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip


def simulated_orders(simulation: Simulation[Any]) -> list[tuple[Any, ...]]:
    """The orders of a simulation, likewise."""
    rows = simulation.orders.with_columns(pl.col("time").dt.epoch("ms"))
    return rows.select("time", "client_id", "purpose", "side", "quantity", "price").rows()


def _last_close(candles: pl.DataFrame, timeframe: str) -> int | None:
    from common.timeframes import DURATION_MS

    own = candles.filter(pl.col("timeframe") == timeframe)
    if own.is_empty():
        return None
    return to_ms(own["open_time"].max()) + DURATION_MS[timeframe]  # type: ignore[arg-type]
