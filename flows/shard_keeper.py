"""Which shards this worker has: leases in the store, renewed every few seconds, so that a worker keeps its states warm
and the shards of one that is not heard of any more go to the others."""

import logging
import secrets
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from common.errors import StoreError
from flows.runtime import Runtime
from flows.sharding import lay_out, shards_of
from registry.store.protocol import SharedStore

_log = logging.getLogger(__name__)

RENEWED_S = 5.0
LASTING_MS = 15_000
"""A worker may miss two renewals; then its shards are free for others, well within a minute's tick."""
_BALANCED_S = 600.0
"""How often the worker with the first shard looks whether the work has become uneven."""


class ShardKeeper:
    """The leases of one worker, given back at the end of a ``with`` block.

    A worker whose leases have ended without its knowing harms nothing: what two workers judge is recorded once.
    """

    def __init__(
        self, runtime: Runtime, *, lasting_ms: int = LASTING_MS, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        assert isinstance(runtime.store, SharedStore), "only a shared store has shards"
        self.worker = secrets.token_hex(8)
        self.shards: frozenset[int] = frozenset()
        """The shards that this worker has."""
        self._runtime, self._shard_store = runtime, runtime.store
        self._lasting_ms, self._monotonic_s = lasting_ms, monotonic_s
        self._renewed_s = self._looked_s = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shards = frozenset()
        self._save_states()
        try:
            self._shard_store.shards.release(self.worker)
        except StoreError as problem:
            _log.warning("the shards are not given back, and will be free in a few seconds: %s", problem)

    def renew(self) -> tuple[frozenset[int], frozenset[int]]:
        """Renew the leases, and take or give back shards so that each worker has its part.

        Returns the shards that are here since this renewal, and those of them whose last worker was not heard of any
        more. While the store does not answer, the shards stay until the leases have ended.
        """
        try:
            shards = shards_of(self._runtime.store, self._runtime.clock.now_ms())
            leases = self._shard_store.shards.lease(self.worker, shards, self._lasting_ms)
        except StoreError as error:
            _log.warning("the leases on shards are not renewed: %s", error)
            if self._monotonic_s() - self._renewed_s > self._lasting_ms / 1000:
                self.shards = frozenset()
            return frozenset(), frozenset()
        self._renewed_s = self._monotonic_s()
        came, went = leases.shards - self.shards, self.shards - leases.shards
        if came or went:
            _log.info("of %d shards, %s are judged here", shards, sorted(leases.shards) or "none")
        self.shards = leases.shards
        self._save_states()
        self._balance()
        return came, leases.taken_over

    def count(self) -> int:
        """How many shards there are; while the store does not answer, as many as are known here."""
        try:
            return shards_of(self._runtime.store, self._runtime.clock.now_ms())
        except StoreError:
            return max(self.shards, default=-1) + 1

    def _save_states(self) -> None:
        """Save what is warm of shards that are not here any more, for whoever goes on with them."""
        for timeframe, shard in list(self._runtime.live):
            turn = self._runtime.turn(timeframe, shard)
            # A run under way ends first; the leases of the other shards must not wait for it.
            if shard is None or shard in self.shards or not turn.acquire(blocking=False):
                continue
            try:
                self._runtime.release(timeframe, shard)
            except StoreError as error:
                _log.warning("no checkpoint of %s, shard %d: %s", timeframe, shard, error)
            finally:
                turn.release()

    def _balance(self) -> None:
        if 0 not in self.shards or self._monotonic_s() - self._looked_s < _BALANCED_S:
            return
        self._looked_s = self._monotonic_s()
        try:
            layout = lay_out(self._runtime.store, None, self._runtime.clock.now_ms())
        except StoreError as error:
            _log.warning("the shards are not laid out anew: %s", error)
            return
        if layout is not None:
            _log.warning("the work was uneven: layout %d of the shards counts in a minute", layout.number)
