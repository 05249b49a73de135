"""Totals over ticks and runs: always what the tables add up to, whatever the range, and however the owner ended."""

from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import failpoints
from common.clock import ReplayClock
from common.errors import FailpointReached
from common.timeframes import from_ms
from registry.conditions import Condition
from registry.groups import Group
from registry.store.files import running_totals
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from registry.store.parts.ticks import PlanSize, RunRecord, TickMetrics, TotalsBy
from registry.store.protocol import Store
from tests.registry.store.serving import OpenAt
from tests.registry.store.ticks import BTC, ETH, HOUR, tick

DAY = 24 * HOUR
SUMS = list(TickMetrics.__dataclass_fields__)


@pytest.fixture
def clock() -> ReplayClock:
    """A clock that stands at the epoch."""
    return ReplayClock(0)


def judge(store: Store, clock: ReplayClock, at_ms: int, close_ms: int, group: Group = BTC, triggers: int = 0) -> None:
    """Record a tick at a time, with figures of its own."""
    clock.move_to(at_ms)
    number = close_ms // HOUR
    metrics = TickMetrics(*(number * 100 + place for place in range(len(SUMS))))
    record = replace(tick(close_ms, (group, store.ticks.watermark(group)), triggers=triggers), metrics=metrics)
    store.ticks.record_tick(replace(record, late=number % 2 == 0))


def run(store: Store, clock: ReplayClock, name: str, tick_ms: int, plan: PlanSize | None = None) -> None:
    store.ticks.record_run(RunRecord(name, "1h", tick_ms, 1, 0, 5, 6, 7, plan))


def expected(store: Store, by: TotalsBy, since_ms: int = 0, until_ms: int = 1 << 50) -> list[tuple[object, ...]]:
    """The totals of ``1h``, from all rows one by one."""
    since = since_ms - since_ms % HOUR
    column = {"timeframe": None, "hour": "judged_at", "day": "judged_at", "candle_day": "close_time"}[by]
    length = HOUR if by == "hour" else DAY
    sums: dict[object, dict[str, int]] = {}

    def bucket(row: dict[str, object], at: str, close: str) -> dict[str, int] | None:
        judged_ms = int(row[at].timestamp() * 1000)  # type: ignore[attr-defined]
        hour = judged_ms - judged_ms % HOUR
        if not since <= hour < until_ms:
            return None
        time = None if column is None else row[close if by == "candle_day" else at]
        start = None if time is None else from_ms((ms := int(time.timestamp() * 1000)) - ms % length)  # type: ignore[attr-defined]
        return sums.setdefault(start, {})

    for row in store.ticks.ticks().iter_rows(named=True):
        if (into := bucket(row, "judged_at", "close_time")) is not None:
            for name, value in {"ticks": 1, **{name: row[name] for name in ("late", "triggers", *SUMS)}}.items():
                into[name] = into.get(name, 0) + int(value)
    for row in store.ticks.runs().iter_rows(named=True):
        if (into := bucket(row, "finished_at", "tick")) is not None:
            for name, value in {"runs": 1, "record_us": row["record_us"]}.items():
                into[name] = into.get(name, 0) + int(value)
    names = ("ticks", "late", "triggers", *SUMS, "runs", "record_us")
    ordered = sorted(sums.items(), key=lambda item: str(item[0]))
    return [(start, "1h", *(values.get(name, 0) for name in names)) for start, values in ordered]


def told(store: Store, by: TotalsBy, **bounds: int) -> list[tuple[object, ...]]:
    names = ("start", "timeframe", "ticks", "late", "triggers", *SUMS, "runs", "record_us")
    return store.ticks.totals(by, **bounds).select(names).rows()


def test_totals_are_what_the_rows_add_up_to(open_at: OpenAt, tmp_path: Path) -> None:
    """Over three days, with an owner that ends and begins again in between."""
    clock = ReplayClock(0)
    for day in range(3):
        with open_at(tmp_path / "s", clock) as store:
            for hour in range(4):
                close_ms = day * DAY + (hour + 1) * 5 * HOUR
                judge(store, clock, close_ms + 300 + day * HOUR, close_ms, triggers=hour)
                run(store, clock, f"{day} {hour}", close_ms)
            for by in ("timeframe", "hour", "day", "candle_day"):
                assert told(store, by) == expected(store, by), by
                bounds = {"since_ms": 7 * HOUR + 5, "until_ms": DAY + 9 * HOUR}
                assert told(store, by, **bounds) == expected(store, by, **bounds), by
    with open_at(tmp_path / "s", clock) as store:
        assert told(store, "hour") == expected(store, "hour")
        assert store.ticks.totals(since_ms=30 * DAY).is_empty()


def test_who_catches_up_is_told_apart_by_the_days_of_the_candles(store: Store, clock: ReplayClock) -> None:
    """A month of candles that is judged within one hour."""
    for day in range(30):
        judge(store, clock, 40 * DAY + day, (day + 1) * DAY - HOUR)
    assert store.ticks.totals("candle_day")["ticks"].to_list() == [1] * 30
    assert store.ticks.totals("day")["ticks"].to_list() == [30]


def test_an_empty_store_has_no_totals(store: Store) -> None:
    assert store.ticks.totals().is_empty()
    assert store.ticks.totals("hour", since_ms=1, until_ms=2).is_empty()
    assert (store.ticks.plan_sizes(), store.ticks.newest_watermark()) == ({}, None)
    assert store.ticks.registry_sizes().is_empty()
    assert store.ticks.newest_ticks(5).is_empty()


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3 * HOUR), st.sampled_from(["tick", "run", "kill before", "kill after", "again"])),
        max_size=10,
    )
)
def test_totals_and_tables_agree_wherever_the_owner_is_killed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str]]
) -> None:
    """Killed before or after a commit: the next owner opens the files as they were then."""
    folder, clock, number = tmp_path_factory.mktemp("store"), ReplayClock(0), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running_totals, "_MOST_BUCKETS", 3)
        store = FileStore(folder, clock=clock)
        try:
            for pause, step in steps:
                number += 1
                at_ms = clock.now_ms() + pause
                if step == "run":
                    clock.move_to(at_ms)
                    run(store, clock, f"{number}", number * HOUR)
                elif step.startswith("kill"):
                    point = {"kill before": "before_commit", "kill after": "after_commit"}[step]
                    failpoints.arm(f"{point}:1:raise")
                    with pytest.raises(FailpointReached):
                        judge(store, clock, at_ms, number * HOUR)
                    failpoints.arm("")
                    # Nothing of its memory is left; a connection that closes writes nothing that was not committed.
                    store._database._connection.close()
                    store = FileStore(folder, clock=clock)
                elif step == "again":
                    store.close()
                    store = FileStore(folder, clock=clock)
                else:
                    judge(store, clock, at_ms, number * HOUR, triggers=number % 3)
                assert told(store, "hour") == expected(store, "hour")
            wrong = [one for one in store.check() if one.problem and "condition" not in one.subject]
            assert wrong == []
        finally:
            store.close()


def test_a_store_from_before_is_summed_up_when_it_is_opened(tmp_path: Path) -> None:
    clock = ReplayClock(0)
    with FileStore(tmp_path, clock=clock) as store:
        for hour in range(1, 6):
            judge(store, clock, hour * HOUR, hour * HOUR)
            run(store, clock, str(hour), hour * HOUR)
        before = told(store, "hour")
    with duckdb.connect(str(tmp_path / "registry.duckdb")) as registry:
        registry.execute("DELETE FROM tick_totals; DELETE FROM run_totals")
    with FileStore(tmp_path, read_only=True) as store:
        assert told(store, "hour") == before
    with FileStore(tmp_path, clock=clock) as store:
        assert told(store, "hour") == before
        assert [one for one in store.check() if one.problem and "totals" in one.subject] == []


def test_a_restored_backup_has_the_totals_of_its_moment(file_store: Store, clock: ReplayClock, tmp_path: Path) -> None:
    judge(file_store, clock, HOUR, HOUR)
    judge(file_store, clock, 3 * HOUR, 2 * HOUR)
    before = told(file_store, "hour")
    file_store.backup(str(tmp_path / "backup"))
    judge(file_store, clock, 4 * HOUR, 3 * HOUR)
    with FileStore(tmp_path / "backup", clock=clock) as restored:
        assert told(restored, "hour") == before
        judge(restored, clock, 5 * HOUR, 3 * HOUR)
        assert told(restored, "hour") == expected(restored, "hour")


def test_the_newest_ticks_come_page_by_page(store: Store, clock: ReplayClock) -> None:
    for hour in range(1, 8):
        judge(store, clock, hour * HOUR + 5, hour * HOUR)
    newest = store.ticks.newest_ticks
    assert newest(3)["tick_id"].to_list() == [7, 6, 5]
    assert newest(3, before_id=5)["tick_id"].to_list() == [4, 3, 2]
    assert newest(9, since_ms=2 * HOUR, until_ms=4 * HOUR)["tick_id"].to_list() == [3, 2]
    assert newest(9, timeframe="1h").height == 7
    assert newest(9, timeframe="5m").is_empty()
    assert newest(1).columns == store.ticks.ticks().columns


def test_one_watermark_is_read_by_itself(store: Store, clock: ReplayClock) -> None:
    judge(store, clock, HOUR, HOUR, BTC)
    judge(store, clock, 3 * HOUR, 3 * HOUR, ETH)
    assert (store.ticks.watermark(BTC), store.ticks.watermark(ETH)) == (HOUR, 3 * HOUR)
    assert store.ticks.watermark(Group([BTC.base.at("5m")])) is None
    assert store.ticks.newest_watermark() == 3 * HOUR


def test_the_size_of_the_plan_is_that_of_the_newest_run(open_at: OpenAt, tmp_path: Path, clock: ReplayClock) -> None:
    with open_at(tmp_path / "s", clock) as store:
        run(store, clock, "a", HOUR, PlanSize(3, 2, 1))
        run(store, clock, "b", 2 * HOUR, PlanSize(5, 4, 3))
        run(store, clock, "c", 3 * HOUR, None)
        assert store.ticks.plan_sizes() == {"1h": PlanSize(5, 4, 3)}
    with open_at(tmp_path / "s", clock) as store:
        assert store.ticks.plan_sizes() == {"1h": PlanSize(5, 4, 3)}


def test_what_is_registered_is_noted_with_the_first_tick_of_an_hour(
    store: Store, clock: ReplayClock, sample: pl.DataFrame
) -> None:
    store.candles.upsert(sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(3))
    first, second = (Condition.parse(f"BTCUSDT 1h: rsi(14) < {level}") for level in (30, 40))
    store.registry.register([first, second], active_from_ms=0)
    judge(store, clock, HOUR, HOUR)
    store.registry.subscribe([SubscriptionRequest("ann", "b", first.id, "dca", {})], active_from_ms=0)
    judge(store, clock, HOUR + 5, 2 * HOUR)
    judge(store, clock, 2 * HOUR + 7, 3 * HOUR)
    sizes = store.ticks.registry_sizes()
    assert sizes.columns == ["noted_at", "conditions", "subscribed", "subscriptions", "users", "bots"]
    assert sizes.rows() == [(from_ms(HOUR), 2, 0, 0, 0, 0), (from_ms(2 * HOUR + 7), 2, 1, 1, 1, 1)]
    assert store.ticks.registry_sizes(since_ms=HOUR + 1, until_ms=3 * HOUR).height == 1
    assert store.ticks.registry_sizes(until_ms=HOUR).is_empty()


def test_single_triggers_are_known(store: Store, clock: ReplayClock) -> None:
    for hour in (1, 3):
        judge(store, clock, hour * HOUR, hour * HOUR, triggers=hour)
    fired = f"{0:032x}"
    assert [store.triggers.is_recorded(fired, hour * HOUR) for hour in (0, 1, 2, 3, 4)] == [
        False, True, False, True, False,
    ]  # fmt: skip
    assert not store.triggers.is_recorded(f"{2:032x}", HOUR)
    assert not store.triggers.is_recorded("never", HOUR)
