"""Shards: parts of the instruments that are judged apart from each other, so that several workers can share the work.

Every instrument belongs for good to one of a fixed number of buckets, and a layout says which shard has which bucket.
So the shard of a condition follows from its base series alone, also of one that is registered later, and a shard is
moved or split by moving buckets. What other series a condition reads does not matter: each shard reads them for itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from registry.groups import Series

BUCKETS = 4_096
MOST_SHARDS = 256


@dataclass(frozen=True)
class Shard:
    """One of the shards, as far as a worker needs to know it."""

    number: int
    buckets: frozenset[int]

    def has(self, base: Series) -> bool:
        """Whether the conditions of a base series are judged here."""
        return bucket_of(base) in self.buckets


@dataclass(frozen=True)
class ShardLayout:
    """Which shard has which bucket at all ticks from a time on, until the next layout begins."""

    number: int
    """1 for the first layout of a store."""
    from_ms: int
    """The tick, as its close time, from which on it counts."""
    shards: int
    shard_of: tuple[int, ...]
    """Bucket -> its shard, 0 to ``shards`` - 1."""

    def shard(self, number: int) -> Shard:
        """The shard with a number; one without buckets if this layout has fewer shards."""
        return Shard(number, frozenset(bucket for bucket, shard in enumerate(self.shard_of) if shard == number))


def bucket_of(base: Series) -> int:
    """The bucket of a series: that of its instrument, whatever its timeframe."""
    return crc32(str(base.instrument).encode()) % BUCKETS


def even_shard(number: int, shards: int) -> Shard:
    """Shard ``number`` of ``shards`` that have the same number of buckets."""
    return Shard(number, frozenset(range(number, BUCKETS, shards)))


def check_shards(shards: int, shard_of: Sequence[int]) -> None:
    """Raise ``ValueError`` for a number of shards, or an assignment of buckets to them, that cannot be."""
    if not 1 <= shards <= MOST_SHARDS:
        raise ValueError(f"{shards} shards; there can be 1 to {MOST_SHARDS}")
    if len(shard_of) != BUCKETS or not all(0 <= shard < shards for shard in shard_of):
        raise ValueError(f"each of the {BUCKETS} buckets needs one of the shards 0 to {shards - 1}")
