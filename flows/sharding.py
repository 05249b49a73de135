"""The shards of a store that several workers judge: which instruments one has at a tick, and when they are laid out
anew."""

from common.errors import StoreError
from common.timeframes import DURATION_MS
from registry.shard_balance import balanced, unevenness, work_of
from registry.shards import BUCKETS, Shard, ShardLayout
from registry.store.protocol import SharedStore, Store

_MINUTE_MS = DURATION_MS["1m"]
_AHEAD = 2
"""Minutes from the making of a layout to its first tick: longer than runs are fetched ahead, and than clocks differ."""
_UNEVEN = 1.25
"""Shards are laid out anew when the busiest one has so many times the work of the mean."""


def shards_of(store: Store, now_ms: int) -> int:
    """How many shards a store has: in the layout that counts, or in the next one, if that has more; else 0."""
    if not isinstance(store, SharedStore):
        return 0
    layouts = store.shards.layout_at(now_ms), store.shards.newest_layout()
    return max((layout.shards for layout in layouts if layout is not None), default=0)


def shard_at(store: Store, number: int | None, tick_ms: int) -> Shard | None:
    """What shard ``number`` has at a tick; ``None`` for all instruments.

    The tick decides, and not when the run is made: all workers agree on it, whatever their clocks say. Raises
    :class:`StoreError` if the store has no shards.
    """
    if number is None:
        return None
    layout = store.shards.layout_at(tick_ms) if isinstance(store, SharedStore) else None
    if layout is None:
        raise StoreError("this store has no shards; lay them out: hub deploy --shards 2")
    return layout.shard(number)


def lay_out(store: Store, shards: int | None, now_ms: int) -> ShardLayout | None:
    """Lay out a number of shards (``None``: as many as there are) by what there is to do, if they are not so already.

    Returns the layout that was made, which counts from the minute after the next on; ``None`` if there is nothing to
    change. As few instruments move as possible. Raises :class:`StoreError` if the store cannot have shards, or somebody
    else lays them out at the same time, and ``ValueError`` for a number of shards that cannot be.
    """
    newest = shared(store).shards.newest_layout()
    number, before, count = (
        (0, (0,) * BUCKETS, 0) if newest is None else (newest.number, newest.shard_of, newest.shards)
    )
    wanted = shards or count
    if not wanted:
        return None
    work = work_of(store.registry.wanted_groups())
    if wanted == count and unevenness(before, count, work) <= _UNEVEN:
        return None
    shard_of = balanced(before, wanted, work)
    if wanted == count and unevenness(shard_of, count, work) >= unevenness(before, count, work):
        # What keeps one of them busier is a single instrument.
        return None
    layout = ShardLayout(number + 1, (now_ms // _MINUTE_MS + _AHEAD) * _MINUTE_MS, wanted, shard_of)
    shared(store).shards.lay_out(layout)
    return layout


def shared(store: Store) -> SharedStore:
    """A store that can have shards; raises :class:`StoreError` for another one."""
    if not isinstance(store, SharedStore):
        raise StoreError(
            "only a store in Postgres can have shards, as workers on other machines cannot open files; move the hub "
            "there: hub store copy duckdb:FOLDER postgresql://…"
        )
    return store
