"""Buckets go to shards by what there is to do in them, and stay where they are if they can."""

import random
from collections import Counter

import pytest

from registry.conditions import Condition
from registry.groups import Series
from registry.shard_balance import balanced, unevenness, work_of
from registry.shards import BUCKETS, Shard, ShardLayout, bucket_of, check_shards, even_shard
from registry.store.parts.condition_pages import WantedGroup

NOBODY = (0,) * BUCKETS


def some_work(seed: int, count: int = 300) -> dict[int, float]:
    dice = random.Random(seed)
    return {bucket: dice.paretovariate(1.5) for bucket in dice.sample(range(BUCKETS), count)}


def test_an_instrument_has_one_bucket_over_all_timeframes() -> None:
    buckets = {bucket_of(Series.parse(f"BINANCE:BTCUSDT {timeframe}")) for timeframe in ("1m", "4h", "1d")}
    assert len(buckets) == 1
    assert {bucket_of(Series.parse(f"BINANCE:COIN{number}USDT 1m")) for number in range(50)} <= set(range(BUCKETS))


def test_even_shards_have_every_bucket_once() -> None:
    shards = [even_shard(number, 7) for number in range(7)]
    assert sorted(bucket for shard in shards for bucket in shard.buckets) == list(range(BUCKETS))


def test_a_layout_gives_every_bucket_to_one_shard() -> None:
    layout = ShardLayout(1, 0, 3, balanced(NOBODY, 3, some_work(1)))
    parts = [layout.shard(number).buckets for number in range(3)]
    assert sorted(bucket for part in parts for bucket in part) == list(range(BUCKETS))
    assert layout.shard(3) == Shard(3, frozenset()), "there is no fourth"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shards", [1, 2, 3, 4, 16])
def test_the_work_is_shared_out(seed: int, shards: int) -> None:
    work = some_work(seed)
    shard_of = balanced(NOBODY, shards, work)
    check_shards(shards, shard_of)
    largest = max(work.values()) * shards / sum(work.values())
    assert unevenness(shard_of, shards, work) <= max(1.06, largest)
    idle = Counter(shard for bucket, shard in enumerate(shard_of) if bucket not in work)
    assert max(idle.values()) - min(idle.values()) <= shards, "instruments to come are shared out as well"


def test_what_is_even_stays_as_it_is() -> None:
    work = some_work(2)
    shard_of = balanced(NOBODY, 4, work)
    assert balanced(shard_of, 4, work) == shard_of


def test_more_work_in_one_place_moves_little() -> None:
    work = some_work(3)
    before = balanced(NOBODY, 4, work)
    busier = next(bucket for bucket in sorted(work) if before[bucket] == 0)
    work[busier] += 0.3 * sum(work.values()) / 4
    after = balanced(before, 4, work)
    moved = [bucket for bucket in range(BUCKETS) if before[bucket] != after[bucket]]
    assert unevenness(after, 4, work) < 1.1 < unevenness(before, 4, work)
    assert 0 < len(moved) < 20


def test_one_shard_less_moves_only_what_it_had() -> None:
    work = some_work(4)
    before = balanced(NOBODY, 4, work)
    after = balanced(before, 3, work)
    check_shards(3, after)
    moved_from = Counter(before[bucket] for bucket in work if before[bucket] != after[bucket])
    assert moved_from[3] == sum(before[bucket] == 3 for bucket in work)
    assert moved_from.total() - moved_from[3] < 20
    assert unevenness(after, 3, work) < 1.06


def test_an_instrument_is_not_divided() -> None:
    work = {5: 100.0, 6: 1.0, 7: 1.0}
    after = balanced(NOBODY, 2, work)
    assert after[5] != after[6] == after[7]
    assert balanced(after, 2, work) == after


def test_work_counts_conditions_and_candles_by_how_often_they_close() -> None:
    def wanted(text: str, conditions: int) -> WantedGroup:
        return WantedGroup(Condition.parse(text).group, 0, None, conditions)

    minute, hour = wanted("BTCUSDT 1m: close > 1", 5), wanted("BTCUSDT 1h: close > 1", 5)
    (bucket,) = work_of([minute])
    assert work_of([minute])[bucket] == 60 * work_of([hour])[bucket]
    assert work_of([minute, hour])[bucket] == 61 * work_of([hour])[bucket]
    foreign = wanted("BTCUSDT 1m: close > close@ETHUSDT", 5)
    assert work_of([foreign]).keys() == {bucket}, "it is judged where its base is"
    assert work_of([minute])[bucket] < work_of([foreign])[bucket]


@pytest.mark.parametrize(("shards", "shard_of"), [(0, NOBODY), (257, NOBODY), (2, (0,) * 7), (2, (2,) * BUCKETS)])
def test_what_cannot_be_is_refused(shards: int, shard_of: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shards"):
        check_shards(shards, shard_of)
