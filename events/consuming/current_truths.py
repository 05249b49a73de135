"""What conditions are right now, for deliveries that no trigger causes."""

from analysis.now import present
from candles.epochs import Epochs
from common.clock import Clock
from common.timeframes import DURATION_MS
from events.log.payload import Event
from registry.conditions import Condition
from registry.store.protocol import Store


class StoreTruths:
    """Implements :class:`events.consuming.delivery.CurrentTruths` on the store's candles."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def now(self, condition_id: str) -> Event | None:
        held = self._store.registry.condition(condition_id)
        if held is None:
            return None
        condition = Condition.parse(held.text)
        found = present(condition, Epochs(self._store).up_to(condition, None), self._store.candles.calendars())
        if found is None or found.truth != "TRUE":
            return None
        return Event(
            trigger_id=f"{condition_id}:{found.close_ms}",
            seq=0,
            condition_id=condition_id,
            exchange=held.exchange,
            symbol=held.symbol,
            timeframe=held.timeframe,
            open_time=found.close_ms - DURATION_MS[held.timeframe],
            close_time=found.close_ms,
            values=dict(found.values),
            price=found.price,
            settled=found.settled,
            late=False,
            definition_version=held.definition_versions,
            emitted_at=self._clock.now_ms(),
        )
