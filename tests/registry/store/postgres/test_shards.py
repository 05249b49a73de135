"""Layouts of shards and leases on them, on a real Postgres."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import StoreError
from registry.shards import BUCKETS, ShardLayout
from registry.store import open_store
from registry.store.parts.shards import Leases, ShardStore
from registry.store.protocol import SharedStore
from tests.postgres_server import PostgresServer

MINUTE = 60_000
FIRST = ShardLayout(1, 10 * MINUTE, 2, tuple(bucket % 2 for bucket in range(BUCKETS)))
SECOND = ShardLayout(2, 20 * MINUTE, 3, tuple(bucket % 3 for bucket in range(BUCKETS)))
LONG = 60_000


@pytest.fixture
def two(postgres: PostgresServer, tmp_path: Path) -> Iterator[tuple[ShardStore, ShardStore]]:
    """The shards of two stores on one empty database."""
    url = postgres.url_of(tmp_path)
    with open_store(url) as one, open_store(url) as other:
        assert isinstance(one, SharedStore)
        assert isinstance(other, SharedStore)
        yield one.shards, other.shards
    postgres.drop_databases()


def test_the_tick_says_which_layout_counts(two: tuple[ShardStore, ShardStore]) -> None:
    one, other = two
    assert one.layout_at(MINUTE) is None
    assert one.newest_layout() is None
    one.lay_out(FIRST)
    other.lay_out(SECOND)
    for shards in two:
        at = [shards.layout_at(minute * MINUTE) for minute in (1, 10, 19, 20, 99)]
        assert at == [FIRST, FIRST, FIRST, SECOND, SECOND]
        assert shards.newest_layout() == SECOND


def test_of_two_layouts_made_at_once_one_counts(two: tuple[ShardStore, ShardStore]) -> None:
    one, other = two
    one.lay_out(FIRST)
    one.lay_out(FIRST)
    for late in (replace(FIRST, from_ms=11 * MINUTE), replace(SECOND, number=3), replace(SECOND, from_ms=10 * MINUTE)):
        with pytest.raises(StoreError, match="does not follow layout 1"):
            other.lay_out(late)
    with pytest.raises(ValueError, match="buckets"):
        other.lay_out(replace(SECOND, shard_of=(0, 1, 2)))
    assert other.newest_layout() == FIRST


def test_workers_get_equal_parts_and_keep_what_they_have(two: tuple[ShardStore, ShardStore]) -> None:
    one, other = two
    assert one.lease("a", 5, LONG).shards == {0, 1, 2, 3, 4}
    assert not other.lease("b", 5, LONG).shards, "nothing is taken from somebody who is there"
    had = one.lease("a", 5, LONG).shards
    assert had == {0, 1, 2}
    assert other.lease("b", 5, LONG) == Leases(frozenset({3, 4}))
    for _ in range(3):
        assert one.lease("a", 5, LONG).shards == had
        assert other.lease("b", 5, LONG).shards == {3, 4}
    other.release("b")
    again = one.lease("a", 5, LONG)
    assert again == Leases(frozenset({0, 1, 2, 3, 4})), "given back, not left behind"


def test_a_worker_that_is_not_heard_of_loses_its_shards(two: tuple[ShardStore, ShardStore]) -> None:
    one, other = two
    assert one.lease("dead", 4, 1).shards == {0, 1, 2, 3}
    time.sleep(0.01)
    leases = other.lease("alive", 4, LONG)
    assert leases.shards == leases.taken_over == {0, 1, 2, 3}
    assert not other.lease("alive", 4, LONG).taken_over, "told once"
    assert not one.lease("dead", 4, LONG).shards, "it has to ask like anybody else"
    assert other.lease("alive", 4, LONG).shards == {0, 1}
    assert one.lease("dead", 4, LONG).shards == {2, 3}


def test_more_workers_than_shards_leave_some_without(two: tuple[ShardStore, ShardStore]) -> None:
    one, other = two
    assert one.lease("a", 1, LONG).shards == {0}
    for _ in range(2):
        assert not other.lease("b", 1, LONG).shards
        assert one.lease("a", 1, LONG).shards == {0}


def test_fewer_shards_end_the_leases_on_the_others(two: tuple[ShardStore, ShardStore]) -> None:
    one, _ = two
    assert one.lease("a", 4, LONG).shards == {0, 1, 2, 3}
    assert one.lease("a", 2, LONG).shards == {0, 1}


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_every_shard_has_one_worker_however_they_come_and_go(workers: int, two: tuple[ShardStore, ShardStore]) -> None:
    shards = 7
    for number in range(workers):
        two[number % 2].lease(f"w{number}", shards, LONG)
    for there in (range(workers), range(1, workers), range(workers)):
        if 0 not in there:
            two[0].release("w0")
        for _ in range(4):
            leased = {number: two[number % 2].lease(f"w{number}", shards, LONG).shards for number in there}
        assert sorted(shard for part in leased.values() for shard in part) == list(range(shards))
        sizes = [len(part) for part in leased.values()]
        assert max(sizes) - min(sizes) <= 1


def test_leases_taken_at_once_never_overlap(two: tuple[ShardStore, ShardStore]) -> None:
    leased: dict[str, frozenset[int]] = {}

    def ask(shards: ShardStore, name: str) -> None:
        for _ in range(10):
            leased[name] = shards.lease(name, 8, LONG).shards

    threads = [threading.Thread(target=ask, args=(two[number % 2], f"w{number}")) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = {name: two[0].lease(name, 8, LONG).shards for _ in range(3) for name in leased}
    assert sorted(shard for part in last.values() for shard in part) == list(range(8))
