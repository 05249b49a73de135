"""How many different conditions were tried on the past of each series. Which ones is not kept, nor who tried them."""

from collections.abc import Sequence
from typing import Protocol

from registry.groups import Series


class TrialStore(Protocol):
    """How many different conditions were tried on the past of each series: by backtests on the store, and by previews.

    Conditions are told apart by digests of their ids (:func:`registry.tried.digest_of`), of which few are kept.
    """

    def record(self, series: Series, digests: Sequence[int]) -> int:
        """Note that conditions were tried. Returns what :meth:`count` does from then on."""
        ...

    def count(self, series: Series, digests: Sequence[int]) -> int:
        """How many conditions were tried, those with the digests included: exact while they are few, else an estimate
        (:func:`registry.tried.count_of`)."""
        ...
