"""Whether the files take what is written to them, for whoever asks while nothing is being written."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb

_LONGEST_S = 60.0
"""A transaction that takes longer keeps all other writes waiting too long."""
_OF_THE_FILES = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.OutOfMemoryException,
    duckdb.TransactionException,
)
"""Errors of DuckDB that the next write is likely to get as well; all others are about what was to be written."""


class CommitHealth:
    """Watches transactions, which run one at a time; may be asked from any thread. ``monotonic`` gives seconds."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        failures: tuple[type[Exception], ...] = _OF_THE_FILES,
    ) -> None:
        """``failures`` are errors that the next write is likely to get as well."""
        self._of_the_database = failures
        self._monotonic = monotonic
        self._began: float | None = None
        self._failing_since: float | None = None
        self._failures = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Around one transaction, from its beginning until it is committed or rolled back."""
        outer = self._began
        self._began = self._monotonic() if outer is None else outer
        try:
            yield
        except self._of_the_database:
            self._failures += 1
            if self._failing_since is None:
                self._failing_since = self._monotonic()
            raise
        else:
            self._failing_since, self._failures = None, 0
        finally:
            self._began = outer

    def problem(self) -> str | None:
        """Why nothing can be written at the moment; ``None`` if it can, or nobody tried."""
        now, began, failing_since = self._monotonic(), self._began, self._failing_since
        if failing_since is not None:
            return (
                f"the last {self._failures} commits failed, the first of them {now - failing_since:.0f} s ago, and "
                "none has succeeded since; the log of the store's owner says why"
            )
        if began is not None and now - began > _LONGEST_S:
            return f"a transaction has not ended for {now - began:.0f} s, and every other write waits for it"
        return None
