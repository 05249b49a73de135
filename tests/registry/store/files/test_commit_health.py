"""What is said about commits: failures of the files until one succeeds, and a transaction that does not end."""

from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from common.errors import StoreError
from registry.store.files.commit_health import CommitHealth
from registry.store.files.file_store import FileStore


class Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def attempt(commits: CommitHealth, error: Exception | None = None) -> None:
    with suppress(duckdb.Error, ValueError), commits.watching():
        if error is not None:
            raise error


def test_failures_count_until_a_commit_succeeds() -> None:
    seconds = Seconds()
    commits = CommitHealth(seconds)
    assert commits.problem() is None
    attempt(commits, duckdb.IOException("No space left"))
    seconds.now = 7.0
    attempt(commits, duckdb.IOException("No space left"))
    problem = commits.problem()
    assert problem is not None
    assert "last 2 commits failed" in problem
    assert "7 s ago" in problem
    # What cannot be written says nothing about the files, neither good nor bad.
    attempt(commits, duckdb.ConversionException("not a number"))
    assert commits.problem() == problem
    attempt(commits)
    assert commits.problem() is None
    attempt(commits, ValueError("refused"))
    attempt(commits, duckdb.ConversionException("not a number"))
    assert commits.problem() is None


def test_a_transaction_that_does_not_end_is_said() -> None:
    seconds = Seconds()
    commits = CommitHealth(seconds)
    with commits.watching():
        seconds.now = 59.0
        assert commits.problem() is None
        seconds.now = 61.0
        problem = commits.problem()
        assert problem is not None
        assert "61 s" in problem
    assert commits.problem() is None


@pytest.mark.parametrize("is_full", [True, False])
def test_a_store_says_why_it_takes_no_writes(tmp_path: Path, is_full: bool) -> None:
    with FileStore(tmp_path) as store:
        assert store.commit_problem() is None
        error = duckdb.IOException("No space left") if is_full else ValueError("refused")
        with pytest.raises((StoreError, ValueError)), store._database.transaction():
            raise error
        assert (store.commit_problem() is not None) == is_full
        with store._database.transaction() as transaction:
            transaction.execute("SELECT 1")
        assert store.commit_problem() is None
