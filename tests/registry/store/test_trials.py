"""What was tried on a series is counted once, exactly while it is little and closely when it is much."""

from hashlib import sha256
from pathlib import Path

import pytest

from common.errors import StoreNotWritable
from registry.groups import Series
from registry.store import open_store
from registry.store.files.file_store import FileStore
from registry.store.protocol import Store
from registry.tried import MOST, digest_of, smallest
from tests.registry.store.serving import OpenAt

BTC, ETH = Series.parse("BINANCE:BTCUSDT 1h"), Series.parse("BINANCE:ETHUSDT 1h")


def digests(first: int, stop: int) -> list[int]:
    """Those of conditions with made-up ids."""
    return [digest_of(sha256(str(number).encode()).hexdigest()[:32]) for number in range(first, stop)]


def test_distinct_conditions_are_counted(store: Store) -> None:
    assert store.trials.count(BTC, []) == 0
    assert store.trials.record(BTC, digests(0, 30)) == 30
    assert store.trials.record(BTC, digests(20, 40)) == 40
    assert store.trials.record(BTC, digests(0, 40)) == 40
    assert store.trials.count(BTC, []) == 40
    assert store.trials.count(BTC, digests(35, 50)) == 50, "asking records nothing"
    assert store.trials.count(BTC, []) == 40
    assert store.trials.count(ETH, []) == 0


@pytest.mark.parametrize("count", [1_000, 100_000])
def test_many_are_estimated_by_few_digests(store: Store, count: int) -> None:
    for begin in range(0, count, count // 4):
        recorded = store.trials.record(BTC, smallest(digests(begin, begin + count // 4)))
    assert recorded == pytest.approx(count, rel=0.2)
    assert store.trials.record(BTC, digests(0, 500)) == recorded, "these were among them"


def test_a_restart_keeps_the_count_and_trimming_the_few(open_at: OpenAt, tmp_path: Path) -> None:
    with open_at(tmp_path) as store:
        for begin in range(0, 4_000, 100):
            recorded = store.trials.record(BTC, digests(begin, begin + 100))
        store.trials.record(ETH, digests(0, 3))
        store.trim(0)
        assert store.trials.count(BTC, []) == recorded
    with open_at(tmp_path) as store:
        assert store.trials.count(BTC, []) == recorded
        assert store.trials.count(ETH, []) == 3


def test_the_table_is_as_small_as_it_can_be(tmp_path: Path) -> None:
    with FileStore(tmp_path) as store:
        for begin in range(0, 4_000, 100):
            store.trials.record(BTC, digests(begin, begin + 100))
        assert store.trim(0) > 0
        assert store.trials.trim() == 0
    with FileStore(tmp_path) as store:
        assert store._database.rows("SELECT count(*) FROM registry.tried_conditions") == [(MOST,)]


def test_files_that_are_only_read_count_and_record_nothing(tmp_path: Path) -> None:
    with FileStore(tmp_path) as store:
        store.trials.record(BTC, digests(0, 5))
    with open_store(f"duckdb:{tmp_path}", read_only=True) as store:
        assert store.trials.count(BTC, digests(3, 9)) == 9
        with pytest.raises(StoreNotWritable):
            store.trials.record(BTC, digests(0, 9))
