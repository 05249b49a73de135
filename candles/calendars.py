"""The calendars and grids by which a store's series are judged."""

from common.grids import UTC_GRID
from engine.calendars import Calendars
from registry.store.protocol import Store


def stored_calendars(store: Store) -> Calendars:
    """Of a series with an anchor the grid that was fixed with it, of all others that of the instrument's listing."""
    fixed = dict.fromkeys(store.ticks.anchors(), UTC_GRID) | store.ticks.grids()
    return Calendars(store.candles.calendars(), store.candles.grids(), fixed)
