"""Whatever happens to the hub, it records exactly what the design says, no more and no less.

Each seed is a life (``lives``): random conditions on real candles with gaps, late ones, corrections, crashes,
registrations in mid-stream, missed ticks, two workers, shards. What the hub recorded is compared with a model of what
it had to judge (``hub_model``) and an oracle of what that means (``slow_oracle``), and so is ``analysis.scan`` over the
candles that were judged.

``HUB_TEST_EFFORT=20`` lives twenty times as many lives, ``HUB_TEST_CROWD=20`` has twenty times as many conditions in
each. One of them again: ``HUB_TEST_SEED=17 pytest tests/engine/test_differential.py``.
"""

import json
import math
import os
from collections import Counter
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

import analysis
from common.timeframes import show_time, to_ms
from registry.conditions import Condition
from tests.engine.lives import Life
from tests.engine.slow_oracle import Oracle

LIVES = 8
CROWD = int(os.environ.get("HUB_TEST_CROWD", "1"))
CONSTRUCTS = (
    *("<", "<=", ">", ">=", "crosses_above", "crosses_below", "crosses"),
    *(
        "between",
        "outside",
        "enters",
        "exits",
        "rising",
        "falling",
        "rises_by",
        "falls_by",
        "a percentage",
        "an amount",
    ),
    *("all", "any", "atleast", "not", "for", "within", "before", "then", "every", "during", "during in a zone"),
    *("+", "-", "*", "/", "abs", "min", "max", "a nested source", "an indicator of an indicator"),
    *("steps back", "another timeframe", "another instrument"),
)
"""All of the language."""
MOST_NEAR = 0.002
"""The share of judged candles, over all lives together, on which a rounding error may decide."""
MOST_NEAR_OF_A_LIFE = 0.02
"""An oscillator may rest at its bound for a day, and be compared with itself on every candle of a shorter timeframe."""

SEEDS = (
    [int(os.environ["HUB_TEST_SEED"])]
    if "HUB_TEST_SEED" in os.environ
    else list(range(LIVES * int(os.environ.get("HUB_TEST_EFFORT", "1"))))
)


class Comparison:
    """What was expected, what was found, and where they differ."""

    def __init__(self, life: Life, oracle: Oracle) -> None:
        self._life = life
        self._oracle = oracle
        self._conditions = life.model.conditions
        self.near: set[str] = set()
        self.judged = self.fired = 0
        self.problems: list[str] = []

    def triggers(self, rows: pl.DataFrame) -> None:
        """Compare everything that the store has with everything that was judged."""
        recorded = {(row["condition_id"], _ms(row["close_time"])): row for row in rows.iter_rows(named=True)}
        if len(recorded) != rows.height:
            self.problems.append("a trigger was recorded twice")
        if rows["seq"].to_list() != list(range(1, rows.height + 1)):
            self.problems.append(f"seq is not contiguous: {rows['seq'].to_list()}")
        for judgement in self._life.model.judgements:
            condition = self._conditions[judgement.condition_id]
            open_ms = self._oracle.open_of(condition.series, judgement.close_ms)
            verdict = self._oracle.verdict(condition)
            index = int(verdict.opens.searchsorted(open_ms))
            row = recorded.pop((condition.id, judgement.close_ms), None)
            self.judged += 1
            if verdict.near[index]:
                self.near.add(f"{condition.canonical} at {show_time(open_ms)}")
            elif (row is not None) != bool(verdict.fires[index]):
                self._complain(condition, open_ms, "did not fire" if row is None else "fired")
            if row is not None:
                self.fired += 1
                self._details(condition, open_ms, row, judgement.late, bool(verdict.settled[index]))
        for condition_id, close_ms in recorded:
            condition = self._conditions[condition_id]
            self._complain(condition, self._oracle.open_of(condition.series, close_ms), "fired where it was not judged")

    def scan(self, triggers: pl.DataFrame, conditions: list[Condition]) -> None:
        """Compare a scan over the candles that were judged with the oracle."""
        rows = {(row["condition_id"], _ms(row["open_time"])): row for row in triggers.iter_rows(named=True)}
        for condition in conditions:
            verdict = self._oracle.verdict(condition)
            for index, open_ms in enumerate(verdict.opens.tolist()):
                row = rows.pop((condition.id, open_ms), None)
                self.judged += 1
                if verdict.near[index]:
                    self.near.add(f"{condition.canonical} at {show_time(open_ms)}")
                elif (row is not None) != bool(verdict.fires[index]):
                    self._complain(condition, open_ms, "scan: did not fire" if row is None else "scan: fired")
                if row is not None:
                    close_ms = self._oracle.end_of(condition.series, open_ms)
                    expected = (close_ms, self._oracle.close(condition.series, open_ms), bool(verdict.settled[index]))
                    if (_ms(row["close_time"]), row["price"], row["settled"]) != expected:
                        self._complain(condition, open_ms, f"scan: {row}, expected {expected}")
        if rows:
            self.problems.append(f"scan: triggers without a candle: {sorted(rows)}")

    def live_is_scan(self, triggers: pl.DataFrame, triggers_of_scan: pl.DataFrame) -> None:
        """Bit for bit and without margins: of everything that was judged, the scan has exactly what was recorded."""
        scanned = {(row["condition_id"], _ms(row["close_time"])): row for row in triggers_of_scan.iter_rows(named=True)}
        judged = {(judgement.condition_id, judgement.close_ms) for judgement in self._life.model.judgements}
        expected = {(*key, row["price"], row["settled"]) for key, row in scanned.items() if key in judged}
        recorded = {
            (row["condition_id"], _ms(row["close_time"]), row["price"], row["settled"])
            for row in triggers.iter_rows(named=True)
        }
        for key in sorted(expected ^ recorded):
            self._complain(
                self._conditions[key[0]],
                self._oracle.open_of(self._conditions[key[0]].series, key[1]),
                f"{'live' if key in recorded else 'scan'} alone has {key}",
            )

    def _details(self, condition: Condition, open_ms: int, row: dict[str, object], late: bool, settled: bool) -> None:
        instrument = condition.series.instrument
        close_ms = self._oracle.end_of(condition.series, open_ms)
        expected = {
            "trigger_id": f"{condition.id}:{close_ms}",
            "exchange": instrument.exchange,
            "symbol": instrument.symbol,
            "timeframe": condition.timeframe,
            "price": self._oracle.close(condition.series, open_ms),
            "settled": settled,
            "late": late,
            "definition_versions": condition.definition_versions,
        }
        wrong = {name: row[name] for name, value in expected.items() if row[name] != value}
        if wrong or _ms(row["open_time"]) != open_ms:
            self._complain(condition, open_ms, f"has {wrong} at {row['open_time']}, expected {expected}")
        values = json.loads(str(row["values"]))
        shown = self._oracle.shown(condition, open_ms)
        if list(values) != list(shown):
            self._complain(condition, open_ms, f"shows {list(values)}, expected {list(shown)}")
            return
        for name, (value, error) in shown.items():
            if not math.isfinite(value):
                is_right = values[name] is None or not math.isfinite(error)
            else:
                is_right = values[name] is not None and abs(values[name] - value) <= error
            if not is_right and not math.isinf(error):
                self._complain(condition, open_ms, f"shows {name} = {values[name]}, expected {value} +- {error:.1e}")

    def _complain(self, condition: Condition, open_ms: int, what: str) -> None:
        verdict = self._oracle.verdict(condition)
        active_from = self._life.model.active_from[condition.id]
        self.problems.append(
            f"{condition.canonical}\n      id {condition.id}, active from {show_time(active_from)}"
            f"\n      candle {show_time(open_ms)} ({open_ms}): {what}"
            f"\n      oracle: {verdict.words(open_ms)}"
        )

    def report(self) -> str:
        """The first differences, the shortest conditions first."""
        listed = "\n  ".join(
            sorted(self.problems, key=lambda problem: problem.index("\n") if "\n" in problem else 0)[:6]
        )
        return f"{self._life.told()}: {len(self.problems)} differences\n  {listed}"


@pytest.fixture(scope="module")
def lived() -> Counter[str]:
    """What happened in all lives together."""
    return Counter()


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_life(sample: pl.DataFrame, tmp_path: Path, seed: int, lived: Counter[str]) -> None:
    life = Life(seed, sample, tmp_path / "store", CROWD)
    try:
        await life.live()
        compare(life)
    finally:
        life.world.store.close()
    lived.update(life.happened)


@pytest.mark.skipif("HUB_TEST_SEED" in os.environ, reason="one life has not seen everything")
def test_the_lives_were_eventful(lived: Counter[str]) -> None:
    """The lives contained the events that they are meant to test; otherwise they would prove nothing."""
    wanted = {
        "crashes": 8,
        "runs at once": 10,
        "runs again": 10,
        "runs in shards": 10,
        "ticks missed": 10,
        "candles that were inserted": 1000,
        "candles that were replaced": 20,
        "candles that were revised": 30,
        "candles that came again": 15,
        "series that begin late": 3,
        "series that begin under a warm worker": 3,
        "candles that change what a group begins with": 10,
        "conditions that should fire on their first candle": 10,
        "conditions registered": 80,
        "conditions registered for a time before": 5,
        "conditions registered again": 10,
        "candles older than all others": 3,
        "corrections in the middle of a run": 10,
        "holes": 20,
        "triggers": 200,
        "late triggers": 30,
        "triggers before indicators had settled": 20,
        "lives with sessions": 2,
        "lives on grids": 3,
        **{f"conditions with {construct}": 1 for construct in CONSTRUCTS},
    }
    too_few = {what: lived[what] for what, times in wanted.items() if lived[what] < times}
    assert not too_few, f"{too_few} of {dict(lived)}"
    assert lived["near"] <= MOST_NEAR * lived["judged"], f"{lived['near']} of {lived['judged']} are near"


def compare(life: Life) -> None:
    """Compare store, log and scan with model and oracle."""
    model, store = life.model, life.world.store
    triggers = store.triggers.after(0, 1_000_000)
    histories = model.as_judged()
    comparison = Comparison(life, Oracle(histories, model.calendars, model.grids))
    comparison.triggers(triggers)
    judged = [condition for condition in model.conditions.values() if condition.group in model.watermarks]
    full = [condition for condition in judged if all(histories[series].height for series in condition.all_series)]
    scanned = analysis.scan(full, pl.concat(histories.values()), calendars=model.calendars, grids=model.grids)
    comparison.scan(scanned, full)
    in_full = triggers.filter(pl.col("condition_id").is_in([condition.id for condition in full]))
    comparison.live_is_scan(in_full, scanned)
    assert not comparison.problems, comparison.report()

    for timeframe in life.shape:
        groups = {condition.group for condition in model.conditions.values() if condition.timeframe == timeframe}
        marks = {group: mark for group, mark in model.watermarks.items() if group in groups}
        assert store.ticks.watermarks(timeframe) == marks, life.told()
    assert store.ticks.anchors() == model.anchors, life.told()
    ticks = store.ticks.ticks()
    assert int(ticks["triggers"].sum()) == triggers.height, life.told()
    if life.shards == 1:
        assert (ticks.height, int(ticks["holes"].sum())) == (model.ticks, model.holes), life.told()
    sent = [(event.seq, event.trigger_id) for event in life.world.log.events]
    assert sent == list(triggers.select("seq", "trigger_id").iter_rows()), f"{life.told()}: published {sent}"

    assert len(comparison.near) <= comparison.judged * MOST_NEAR_OF_A_LIFE, sorted(comparison.near)
    life.note("judged", comparison.judged)
    life.note("near", len(comparison.near))
    life.note("holes", model.holes)
    life.note("triggers", triggers.height)
    life.note("late triggers", int(triggers["late"].sum()))
    life.note("triggers before indicators had settled", int((~triggers["settled"]).sum()))


def _ms(moment: object) -> int:
    assert isinstance(moment, datetime)
    return to_ms(moment)
