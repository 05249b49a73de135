"""Which shards there are, and which worker has which of them: in a store that several machines share."""

from dataclasses import dataclass
from typing import Protocol

from registry.shards import ShardLayout


@dataclass(frozen=True)
class Leases:
    """The shards that a worker has for a while."""

    shards: frozenset[int]
    taken_over: frozenset[int] = frozenset()
    """Those of them that it got with this renewal from a worker that was not heard of any more."""


class ShardStore(Protocol):
    """Layouts and leases. Neither decides what is recorded: ticks are compare-and-set, so that a shard that is judged
    twice is recorded once, and one that nobody judged is caught up with. They decide who does the work."""

    def newest_layout(self) -> ShardLayout | None:
        """The layout that was made last, which may begin to count later; ``None`` if there is none."""
        ...

    def layout_at(self, tick_ms: int) -> ShardLayout | None:
        """The layout that counts at a tick, for every worker and however late it runs; before the first layout begins,
        the first. ``None`` if there is none."""
        ...

    def lay_out(self, layout: ShardLayout) -> None:
        """Add a layout, whose number and beginning have to follow those of the newest. Adding it again does nothing.

        Raises :class:`common.errors.StoreError` if another one was added meanwhile, and ``ValueError`` for one that
        does not give each bucket a shard.
        """
        ...

    def lease(self, worker: str, shards: int, lasting_ms: int) -> Leases:
        """Renew what a worker has of ``shards`` shards, and share them out among the workers that are there.

        A worker counts as there for ``lasting_ms`` milliseconds after each renewal, by the clock of the database. It
        keeps what it has unless it has more than its part while another one lacks shards.
        """
        ...

    def release(self, worker: str) -> None:
        """Give back everything that a worker has."""
        ...
