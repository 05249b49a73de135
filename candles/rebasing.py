"""Plans a rebase: which series get a new anchor, and what they are made of from then on."""

from dataclasses import replace

from candles.calendars import stored_calendars
from candles.epochs import StoredHistory
from candles.series import SeriesReader
from common.errors import CandlesMissing, StoreError
from registry.groups import Series
from registry.store.parts.ticks import Rebase
from registry.store.protocol import Store


def plan_rebase(store: Store, series: Series) -> Rebase:
    """The rebase of a series, named as in the store.

    What the series is made of is decided afresh: its own candles where it has any, else those of the longest stored
    timeframe that divides it; and its grid is the one that the instrument has by now. Corrections to those candles
    change every series made of them, so all of these get a new anchor, their first candle. Raises
    :class:`common.errors.StoreError` for a series that has never been judged, which needs no rebase,
    :class:`CandlesMissing` for one that has no candles left, and :class:`common.errors.GridError` for candles that are
    not on the grid.
    """
    anchors, built_from = store.ticks.anchors(), store.ticks.built_from()
    if series not in anchors:
        judged = f"judged series: {', '.join(sorted(anchors))}" if anchors else "nothing has been judged yet"
        raise StoreError(
            f"{series!r} has not been judged, so corrections apply to it at once and it needs no rebase; {judged}"
        )
    current = replace(stored_calendars(store), fixed={})
    source = SeriesReader(store.candles, {}, current).source(series)
    stored = _stored(series, source)
    kept = {name: built_from.get(name) for name in anchors} | {series: source}
    made_of_it = {name: source for name, source in kept.items() if _stored(name, source) == stored}
    reader = SeriesReader(store.candles, made_of_it, current)
    first = {name: reader.first(name) for name in made_of_it}
    extent = store.candles.extent(stored.timeframe).get(stored)
    if extent is None:
        raise CandlesMissing(f"{series} has no candles; import some with `hub candles import FILE`")
    own = StoredHistory(SeriesReader(store.candles, {stored: None}, current), stored, *extent)
    for block in own.blocks():
        current.of(stored).require_slots(stored, block["open_time"].dt.epoch("ms").to_numpy())
    return Rebase(
        series=series,
        stored=stored,
        anchors={name: open_ms for name, open_ms in first.items() if open_ms is not None},
        built_from={name: source for name, source in made_of_it.items() if source is not None},
        grids={name: current.grid(name) for name in made_of_it},
    )


def _stored(series: Series, source: str | None) -> Series:
    return series if source is None else series.at(source)
