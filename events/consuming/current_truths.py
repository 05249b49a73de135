"""Whether conditions are TRUE right now, for deliveries that no trigger causes."""

from analysis.now import current_truth
from candles.epochs import Epochs
from common.clock import Clock
from events.log.payload import Event
from registry.store.parts.registry import read_condition
from registry.store.protocol import Store


class StoreTruthSource:
    """A :class:`events.consuming.delivery.TruthSource` that evaluates conditions on the store's candles."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def now(self, condition_id: str) -> Event | None:
        stored = self._store.registry.condition(condition_id)
        if stored is None:
            return None
        condition = read_condition(stored)
        epochs = Epochs(self._store)
        histories, calendars = epochs.up_to(condition, None), epochs.calendars(condition, None)
        # How long it has been so is not asked for.
        now = current_truth(condition, histories, calendars, most_values=0)
        if now is None or now.truth != "TRUE":
            return None
        return Event(
            trigger_id=f"{condition_id}:{now.close_ms}",
            seq=0,
            condition_id=condition_id,
            exchange=stored.exchange,
            symbol=stored.symbol,
            timeframe=stored.timeframe,
            open_time=now.open_ms,
            close_time=now.close_ms,
            values=dict(now.values),
            price=now.price,
            settled=now.settled,
            late=False,
            definition_version=stored.definition_versions,
            emitted_at=self._clock.now_ms(),
        )
