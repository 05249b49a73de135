"""What sharing saves: counted, measured, modelled, and never mixed.

**Counted.** A tick knows its conditions and their subscriptions, so it knows what bots that share nothing would have
done for the same verdicts: a subscription is one evaluation, one candle load a series and one computation an indicator
of its condition. Between that and what was done stands the case where only equal conditions are shared.

**Measured.** The tick's stages are timed. What isolated bots would have taken is their count times unit costs, which
:func:`calibrate` measures in the same process by doing isolated evaluations on a sample.

**Modelled.** The seed's reference: 100 ms a candle load, 50 ms an indicator, 10 ms a check (:class:`ReferenceModel`).
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from candles.series import SeriesReader
from common.timeframes import DURATION_MS
from engine.history import HistoryJudge
from engine.part import Moved
from engine.plan import Plan, make_plan
from registry.conditions import Condition
from registry.store.parts.ticks import UnitCosts
from registry.store.protocol import Store

COUNTS = (
    "subscriptions",
    "conditions",
    "indicators",
    "isolated_indicators",
    "isolated_loads",
    "equal_sharing_indicators",
    "equal_sharing_loads",
)
"""Names of what :func:`count_move` counts: fields of :class:`registry.store.parts.ticks.TickMetrics`."""


def count_move(plan: Plan, subscribers: NDArray[np.int64], moved: Moved) -> dict[str, int]:
    """What was done on one slot, and what isolated bots would have done for the same verdicts.

    ``subscribers`` int64[conditions] of the plan. A base series without a candle is judged as missing, but neither
    loads nor computes anything.
    """
    judged = moved.judged[plan.base]
    loaded = judged & moved.loaded[plan.base]
    wanted = loaded & (subscribers > 0)
    return {
        "subscriptions": int(subscribers[judged].sum()),
        "conditions": int(judged.sum()),
        "indicators": int(plan.lanes[moved.loaded].sum()),
        "isolated_indicators": int((subscribers * plan.indicator_counts)[loaded].sum()),
        "isolated_loads": int((subscribers * plan.series_counts)[loaded].sum()),
        "equal_sharing_indicators": int(plan.indicator_counts[wanted].sum()),
        "equal_sharing_loads": int(plan.series_counts[wanted].sum()),
    }


@dataclass(frozen=True)
class ReferenceModel:
    """The seed document's cost model, in milliseconds a piece.

    Isolated bots pay all three for each evaluation. A shared hub pays ``load_ms`` a series, ``indicator_ms`` a unique
    indicator and ``check_ms`` a unique condition. The seed's worked example charges one load and one indicator for 500
    conditions: it holds only while all of them read one indicator of one series. :meth:`shared_ms` is the general form.
    """

    load_ms: float = 100.0
    indicator_ms: float = 50.0
    check_ms: float = 10.0

    def isolated_ms(self, evaluations: int) -> float:
        """Time of ``evaluations`` that share nothing, one series and one indicator each."""
        return evaluations * (self.load_ms + self.indicator_ms + self.check_ms)

    def isolated_parts_ms(self, loads: int, indicators: int, evaluations: int) -> float:
        """The same where evaluations read any number of series and indicators."""
        return loads * self.load_ms + indicators * self.indicator_ms + evaluations * self.check_ms

    def shared_ms(self, series: int, indicators: int, conditions: int) -> float:
        """Time when each series is loaded, each indicator computed and each condition checked once."""
        return series * self.load_ms + indicators * self.indicator_ms + conditions * self.check_ms


def saved_share(isolated: float, shared: float) -> float:
    """The part of the isolated work that was not done, 0..1; 0 when there was none."""
    return 1.0 - shared / isolated if isolated > 0 else 0.0


@dataclass(frozen=True)
class Savings:
    """The savings of all recorded ticks. Counts are plain, times in seconds."""

    ticks: int
    evaluations: int
    isolated_evaluations: int
    indicators: int
    isolated_indicators: int
    equal_sharing_indicators: int
    loads: int
    isolated_loads: int
    equal_sharing_loads: int
    measured_shared_s: float
    """Load, indicators, judging, recording, publishing, and preparing the state; without Prefect."""
    measured_isolated_s: float | None
    """Counts of isolated work times measured unit costs; ``None`` before a calibration."""
    modelled_shared_s: float
    modelled_isolated_s: float

    @property
    def measured_share(self) -> float | None:
        """Part of the measured time that sharing saves; ``None`` before a calibration."""
        if self.measured_isolated_s is None:
            return None
        return saved_share(self.measured_isolated_s, self.measured_shared_s)

    @property
    def modelled_share(self) -> float:
        """Part of the modelled time that sharing saves."""
        return saved_share(self.modelled_isolated_s, self.modelled_shared_s)


def summarise(store: Store, model: ReferenceModel | None = None) -> Savings:
    """The savings of everything that the store has recorded."""
    model = model or ReferenceModel()
    ticks = store.ticks.ticks()
    runs = store.ticks.runs()
    costs = store.ticks.unit_costs()

    def total(frame: pl.DataFrame, *columns: str) -> int:
        return int(sum(frame[column].sum() for column in columns))

    measured_isolated = None
    if costs is not None:
        measured_isolated = (
            total(ticks, "isolated_loads") * costs.load_us
            + total(ticks, "isolated_indicators") * costs.indicator_us
            + total(ticks, "subscriptions") * costs.check_us
        ) / 1e6
    shared_us = total(ticks, "load_us", "indicators_us", "judge_us") + total(
        runs, "prepare_us", "record_us", "publish_us"
    )
    return Savings(
        ticks=ticks.height,
        evaluations=total(ticks, "conditions"),
        isolated_evaluations=total(ticks, "subscriptions"),
        indicators=total(ticks, "indicators"),
        isolated_indicators=total(ticks, "isolated_indicators"),
        equal_sharing_indicators=total(ticks, "equal_sharing_indicators"),
        loads=total(ticks, "series"),
        isolated_loads=total(ticks, "isolated_loads"),
        equal_sharing_loads=total(ticks, "equal_sharing_loads"),
        measured_shared_s=shared_us / 1e6,
        measured_isolated_s=measured_isolated,
        modelled_shared_s=model.shared_ms(
            total(ticks, "series"), total(ticks, "indicators"), total(ticks, "conditions")
        )
        / 1e3,
        modelled_isolated_s=model.isolated_parts_ms(
            total(ticks, "isolated_loads"), total(ticks, "isolated_indicators"), total(ticks, "subscriptions")
        )
        / 1e3,
    )


def calibrate(
    store: Store, conditions: Sequence[Condition], *, at_ms: int, sample: int = 200, seed: int = 0
) -> UnitCosts:
    """Do isolated evaluations of the newest candles that close by ``at_ms``, and record what their parts cost.

    Each of the ``sample`` ones works as a bot without a hub: it loads its own candles from the store (as many as its
    indicators need to settle, the least that gives right values), computes its own indicators over them and checks its
    own condition. A local file is the cheapest place that such a bot could load from; an exchange's API is slower.
    """
    chosen = random.Random(seed).choices(list(conditions), k=sample)
    load_ns = indicators_ns = check_ns = loads = indicators = 0
    calendars, reader = store.candles.calendars(), SeriesReader.of(store)
    for condition in chosen:
        plan = make_plan([condition])
        started = time.perf_counter_ns()
        histories = {
            series: reader.last(series, at_ms - DURATION_MS[series.timeframe] + 1, needed.settle + 2)
            for series, needed in condition.needed.items()
        }
        loaded = time.perf_counter_ns()
        judge = HistoryJudge(plan, histories, calendars)
        rows = list(judge.rows())
        computed = time.perf_counter_ns()
        judge.triggers(rows[-1].last(plan.memory + 2))
        check_ns += time.perf_counter_ns() - computed
        indicators_ns += computed - loaded
        load_ns += loaded - started
        loads += len(histories)
        indicators += len(plan.indicators)
    costs = UnitCosts(
        sample=sample,
        load_us=load_ns / loads / 1e3,
        indicator_us=indicators_ns / max(indicators, 1) / 1e3,
        check_us=check_ns / sample / 1e3,
    )
    store.ticks.record_unit_costs(costs)
    return costs
