"""The calendars and grids by which a store's series are judged."""

from collections.abc import Iterable

from common.grids import UTC_GRID
from engine.calendars import Calendars
from registry.groups import Series
from registry.store.protocol import Store


def stored_calendars(store: Store, anchored: Iterable[Series] | None = None) -> Calendars:
    """Of a series with an anchor the grid that was fixed with it, of all others that of the instrument's listing.

    ``anchored`` are the series with an anchor, ``None`` to have the store asked for them.
    """
    anchored = store.ticks.anchors() if anchored is None else anchored
    fixed = dict.fromkeys(anchored, UTC_GRID) | store.ticks.grids()
    return Calendars(store.candles.calendars(), store.candles.grids(), fixed)
