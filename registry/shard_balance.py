"""Which shard is to have which bucket: by what there is to do for its instruments, with as few moves as possible."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from common.timeframes import DURATION_MS
from registry.shards import BUCKETS, bucket_of
from registry.store.parts.condition_pages import WantedGroup

_DAY_MS = DURATION_MS["1d"]
_CANDLE = 10
"""A candle, with the indicators that it moves, counts as much as so many conditions that are judged on it."""
_CLOSE_ENOUGH = 0.05
"""Shards whose work differs by no more than this part of their mean are left as they are."""


def work_of(groups: Iterable[WantedGroup]) -> Mapping[int, float]:
    """Bucket -> what there is to do for its conditions in a day: conditions judged, and candles read for them."""
    work: defaultdict[int, float] = defaultdict(float)
    for wanted in groups:
        group = wanted.group
        each_close = wanted.conditions + _CANDLE * len(group.series)
        work[bucket_of(group.base)] += each_close * (_DAY_MS / DURATION_MS[group.base.timeframe])
    return work


def unevenness(shard_of: Sequence[int], shards: int, work: Mapping[int, float]) -> float:
    """The work of the busiest shard over the mean of all: 1 if all have the same, or there is nothing to do."""
    loads = _loads(shard_of, shards, work)
    return max(loads) * shards / total if (total := sum(loads)) else 1.0


def balanced(before: Sequence[int], shards: int, work: Mapping[int, float]) -> tuple[int, ...]:
    """Bucket -> shard, from what it was before and possibly with another number of shards.

    Buckets of shards that are no more go to those with the least to do. Then buckets move from the busiest shard to the
    least busy one for as long as that makes the two more alike. What cannot be divided is one instrument: a shard that
    has little else stays as busy as it is. Buckets without work are spread by number, for instruments to come.
    """
    shard_of = [shard if shard < shards else -1 for shard in before]
    loads = _loads(shard_of, shards, work)
    orphans = [bucket for bucket in range(BUCKETS) if shard_of[bucket] < 0 and work.get(bucket)]
    for bucket in sorted(orphans, key=lambda bucket: (-work[bucket], bucket)):
        least = loads.index(min(loads))
        shard_of[bucket] = least
        loads[least] += work[bucket]
    _level(shard_of, loads, work)
    _spread_idle(shard_of, shards, work)
    return tuple(shard_of)


def _level(shard_of: list[int], loads: list[float], work: Mapping[int, float]) -> None:
    mean = sum(loads) / len(loads)
    while True:
        busiest, least = loads.index(max(loads)), loads.index(min(loads))
        gap = loads[busiest] - loads[least]
        if gap <= _CLOSE_ENOUGH * mean:
            return
        movable = [bucket for bucket, load in work.items() if shard_of[bucket] == busiest and 0 < load < gap]
        if not movable:
            return
        moved = min(movable, key=lambda bucket: (abs(work[bucket] - gap / 2), bucket))
        shard_of[moved] = least
        loads[busiest] -= work[moved]
        loads[least] += work[moved]


def _spread_idle(shard_of: list[int], shards: int, work: Mapping[int, float]) -> None:
    idle = [bucket for bucket in range(BUCKETS) if not work.get(bucket)]
    counts = Counter(shard_of[bucket] for bucket in idle if shard_of[bucket] >= 0)
    share = -(-len(idle) // shards)
    surplus = [bucket for bucket in idle if shard_of[bucket] < 0]
    for bucket in idle:
        shard = shard_of[bucket]
        if shard >= 0 and counts[shard] > share:
            counts[shard] -= 1
            surplus.append(bucket)
    for bucket in surplus:
        shard = min(range(shards), key=lambda each: (counts[each], each))
        shard_of[bucket] = shard
        counts[shard] += 1


def _loads(shard_of: Sequence[int], shards: int, work: Mapping[int, float]) -> list[float]:
    loads = [0.0] * shards
    for bucket, load in work.items():
        if 0 <= shard_of[bucket] < shards:
            loads[shard_of[bucket]] += load
    return loads
