"""Whatever is registered can be read back, judged, explained and audited, within bounds of CPU time and of memory.

Conditions of every construct of the language, near every limit of it; each is either refused in words, or goes all the
way. ``HUB_TEST_EFFORT=50`` tries 25 parts of 1,000 texts, of which more than 10,000 can be registered;
``pytest -k part3-`` runs one part in a process of its own, and ``-rP`` shows what was the worst.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from analysis.audit import audit
from analysis.explain import explain
from candles.epochs import Epochs
from candles.series import SeriesReader
from common.clock import ReplayClock
from common.errors import HubError
from common.timeframes import to_ms
from flows.advance import advance
from flows.isolation import judging
from flows.runtime import Runtime
from registry import conditions
from registry.condition_cache import ConditionCache
from registry.conditions import Condition
from registry.language.limits import TYPED
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import read_condition
from tests.attacks.near_limits import SYMBOLS, near_limits
from tests.chaos.processes import EFFORT
from tests.events.log.memory_log import MemoryLog

HOUR = timedelta(hours=1)
START = datetime(2024, 8, 5, tzinfo=UTC)
CANDLES = 900
"""How many candles an hourly series has when it is judged."""
PARTS = max(1, EFFORT // 2)
TEXTS = 110 if EFFORT == 1 else 1_000
HEAVY = 0.01
LONG = 20_000
"""Characters of canonical text from which on a condition is also judged alone, and not only among all of its part."""

MOST_CPU_S = 10.0
"""CPU time, not time on the clock, of any step for one condition: several times what the worst takes, so that a slow
machine does not decide."""
MOST_MEMORY_KIB = 256 * 1024
"""What any step for one condition may add to the memory of the process at its peak."""


class Costs:
    """The largest CPU time and memory that each step took for one condition; none may be over its bound."""

    def __init__(self) -> None:
        self._cpu: dict[str, tuple[float, str]] = {}
        self._memory: dict[str, tuple[int, str]] = {}
        self._count: Counter[str] = Counter()
        self._total_s: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def of(self, step: str, text: str, shared_by: int = 1) -> Iterator[None]:
        """Measure a step, which may be one for several conditions; one that ends with an error counts as well."""
        before_kib, started = _forget_peak_kib(), time.process_time()
        try:
            yield
        finally:
            spent, grown_kib = time.process_time() - started, _peak_kib() - before_kib
            self._count[step] += 1
            self._total_s[step] += spent
            self._cpu[step] = max(self._cpu.get(step, (0.0, "")), (spent, text))
            self._memory[step] = max(self._memory.get(step, (0, "")), (grown_kib, text))
        assert spent / shared_by < MOST_CPU_S, f"{step} took {spent:.1f} s: {text}"
        assert grown_kib / shared_by < MOST_MEMORY_KIB, f"{step} took {grown_kib} KiB: {text}"

    def __str__(self) -> str:
        return "\n".join(
            f"{step}: {self._count[step]}, in {self._total_s[step]:.0f} s of CPU time;"
            f" at most {self._cpu[step][0]:.2f} s for {self._cpu[step][1][:100]};"
            f" at most {self._memory[step][0] / 1024:.0f} MiB for {self._memory[step][1][:100]}"
            for step in self._count
        )


def _status_kib(name: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name))


def _forget_peak_kib() -> int:
    """Have the kernel measure the peak of the memory from now on; returns the memory now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return _status_kib("VmRSS:")


def _peak_kib() -> int:
    return _status_kib("VmHWM:")


@pytest.fixture
def hours(sample: pl.DataFrame) -> pl.DataFrame:
    """The hourly candles around the time of judging."""
    return sample.filter(
        (pl.col("timeframe") == "1h")
        & pl.col("symbol").is_in(SYMBOLS)
        & pl.col("open_time").is_between(START - HOUR * CANDLES, START + HOUR * 4)
    )


@pytest.mark.parametrize("part", range(PARTS), ids=lambda part: f"part{part}-")
async def test_whatever_is_registered_is_judged_within_bounds(
    tmp_path: Path, part: int, hours: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "_CACHE", ConditionCache())
    costs = Costs()
    accepted = _accepted(part, costs)
    clock, log = ReplayClock(to_ms(START)), MemoryLog()
    with FileStore(tmp_path, clock=clock) as store:
        store.candles.upsert(hours)
        made = store.registry.register(list(accepted.values()), active_from_ms=clock.now_ms())
        assert all(each.created for each in made)

    monkeypatch.setattr(conditions, "_CACHE", ConditionCache())
    with FileStore(tmp_path, clock=clock) as store:
        _read_back(store, accepted, costs)
        runtime = Runtime(store, log, clock)
        for hour in (1, 2):
            with costs.of("tick of all", f"part {part}", len(accepted)):
                done = await advance(runtime, "1h", to_ms(START + HOUR * hour))
            assert not done.waiting
        assert store.registry.unjudged() == {}
        marks = store.ticks.watermarks("1h")
        assert {marks[condition.group] for condition in accepted.values()} == {to_ms(START + HOUR * 2)}
        with costs.of("audit of all", f"part {part}", len(accepted)):
            assert not audit(store).differences
        _judged_and_explained(store, list(accepted.values()), costs)
    print(costs)  # noqa: T201


def _accepted(part: int, costs: Costs) -> dict[str, Condition]:
    """Id -> the conditions of a part that can be registered; the others are refused in a few words."""
    accepted: dict[str, Condition] = {}
    refusals = longest = 0
    for text in near_limits(seed=part, count=TEXTS, heavy_share=HEAVY):
        try:
            with costs.of("parse and check", text):
                condition = Condition.parse(text)
                condition.check_reads_back()
        except HubError as error:
            refusals += 1
            longest = max(longest, len(str(error)))
            continue
        accepted[condition.id] = condition
        assert len(condition.text) <= TYPED.characters
        assert Condition.parse(condition.to_json()).id == condition.id
    assert len(accepted) > TEXTS // 4
    assert refusals > 10
    assert longest < 1_000
    return accepted


def _read_back(store: FileStore, accepted: dict[str, Condition], costs: Costs) -> None:
    """Each is what it was: from its short text, which is what is read, and from its canonical one."""
    stored = {each.condition_id: each for each in store.registry.conditions()}
    assert stored.keys() == accepted.keys()
    for condition_id, each in stored.items():
        with costs.of("read back", each.text):
            condition = read_condition(each)
        assert (condition.id, condition.tree) == (condition_id, accepted[condition_id].tree)
        by_text = Condition.from_short(each.text, condition_id)
        assert by_text is not None, each.text
        assert by_text.tree == condition.tree, each.text


def _judged_and_explained(store: FileStore, conditions: list[Condition], costs: Costs) -> None:
    epochs, calendars, reader = Epochs(store), store.candles.calendars(), SeriesReader.of(store)
    anchors, marks = store.ticks.anchors(), store.ticks.watermarks("1h")
    trial = judging(store, reader, anchors, marks, to_ms(START + HOUR * 3))
    for number, condition in enumerate(conditions):
        is_sampled = number % 10 == 0
        if is_sampled or len(condition.canonical) > LONG:
            with costs.of("judge alone", condition.text):
                trial({condition.group: [condition]})
        if is_sampled or EFFORT > 1:
            with costs.of("explain", condition.text):
                explanation = explain(condition, epochs.up_to(condition, None), calendars)
            assert explanation.condition_id == condition.id
