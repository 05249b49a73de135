"""What sharing saves: counted, measured and modelled, and never mixed.

**Counted.** A tick knows its conditions and their subscriptions, so it knows what bots that share nothing would have
done for the same verdicts: a subscription is one evaluation, one candle load for each series of its condition and one
computation for each of its indicators. Between that and what was done lies the case where only equal conditions are
shared.

**Measured.** The stages of a tick are timed. The time that isolated bots would have taken is their counted work times
unit costs, which :func:`calibrate` measures in the same process by doing isolated evaluations of a sample.

**Modelled.** The seed's reference costs: 100 ms for a candle load, 50 ms for an indicator, 10 ms for a check
(:class:`ReferenceModel`).
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from candles.series import SeriesReader
from engine.candle_history import FrameHistory
from engine.history import HistoryEvaluator
from engine.plan import make_plan
from registry.conditions import Condition
from registry.store.parts.ticks import UnitCosts
from registry.store.protocol import Store

STAGES = ("load_us", "indicators_us", "judge_us", "prepare_us", "record_us", "publish_us")
"""The timed stages of ticks and runs, in microseconds."""


@dataclass(frozen=True)
class ReferenceModel:
    """The seed document's cost model, in milliseconds per operation.

    Isolated bots pay all three for each evaluation. A shared hub pays ``load_ms`` per series, ``indicator_ms`` per
    unique indicator and ``check_ms`` per unique condition. The seed's worked example charges one load and one indicator
    for 500 conditions, which holds only if all of them read one indicator of one series. :meth:`shared_ms` is the
    general form.
    """

    load_ms: float = 100.0
    indicator_ms: float = 50.0
    check_ms: float = 10.0

    def isolated_ms(self, evaluations: int) -> float:
        """Time for evaluations that share nothing and read one series and one indicator each."""
        return evaluations * (self.load_ms + self.indicator_ms + self.check_ms)

    def isolated_parts_ms(self, loads: int, indicators: int, evaluations: int) -> float:
        """The same for evaluations that read any number of series and indicators."""
        return loads * self.load_ms + indicators * self.indicator_ms + evaluations * self.check_ms

    def shared_ms(self, series: int, indicators: int, conditions: int) -> float:
        """Time if each series is loaded, each indicator computed and each condition checked once."""
        return series * self.load_ms + indicators * self.indicator_ms + conditions * self.check_ms


def saved_share(isolated: float, shared: float) -> float:
    """The share of the isolated work that was not done, 0..1; 0 if there was no work."""
    return 1.0 - shared / isolated if isolated > 0 else 0.0


@dataclass(frozen=True)
class Savings:
    """The savings over recorded ticks; times are in seconds."""

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
    """Loading, indicators, judging, recording, publishing and preparing the state; without Prefect."""
    measured_isolated_s: float | None
    """Counted isolated work times measured unit costs; ``None`` before a calibration."""
    modelled_shared_s: float
    modelled_isolated_s: float

    @property
    def measured_share(self) -> float | None:
        """The share of the measured time that sharing saves; ``None`` before a calibration."""
        if self.measured_isolated_s is None:
            return None
        return saved_share(self.measured_isolated_s, self.measured_shared_s)

    @property
    def modelled_share(self) -> float:
        """The share of the modelled time that sharing saves."""
        return saved_share(self.modelled_isolated_s, self.modelled_shared_s)


def summarise(
    store: Store, model: ReferenceModel | None = None, *, since_ms: int | None = None, until_ms: int | None = None
) -> Savings:
    """The savings over everything that the store has recorded, or that was judged in the hours that begin from one time
    (rounded down to an hour), and before another."""
    return savings_of(store.ticks.totals(since_ms=since_ms, until_ms=until_ms), store.ticks.unit_costs(), model)


def savings_of(totals: pl.DataFrame, costs: UnitCosts | None, model: ReferenceModel | None = None) -> Savings:
    """The savings that totals add up to: some rows of :meth:`registry.store.parts.ticks.TickStore.totals`."""
    model = model or ReferenceModel()
    sums = {name: int(totals[name].sum()) for name in totals.columns if name not in ("start", "timeframe")}
    loads, indicators, evaluations = sums["isolated_loads"], sums["isolated_indicators"], sums["subscriptions"]
    measured_isolated = None
    if costs is not None:
        measured_us = loads * costs.load_us + indicators * costs.indicator_us + evaluations * costs.check_us
        measured_isolated = measured_us / 1e6
    return Savings(
        ticks=sums["ticks"],
        evaluations=sums["conditions"],
        isolated_evaluations=evaluations,
        indicators=sums["indicators"],
        isolated_indicators=indicators,
        equal_sharing_indicators=sums["equal_sharing_indicators"],
        loads=sums["series"],
        isolated_loads=loads,
        equal_sharing_loads=sums["equal_sharing_loads"],
        measured_shared_s=sum(sums[name] for name in STAGES) / 1e6,
        measured_isolated_s=measured_isolated,
        modelled_shared_s=model.shared_ms(sums["series"], sums["indicators"], sums["conditions"]) / 1e3,
        modelled_isolated_s=model.isolated_parts_ms(loads, indicators, evaluations) / 1e3,
    )


def calibrate(
    store: Store, conditions: Sequence[Condition], *, at_ms: int, sample: int = 200, seed: int = 0
) -> UnitCosts:
    """Do ``sample`` isolated evaluations of the newest candles that close by ``at_ms``; record what their parts cost.

    Each of them works as a bot without a hub does: it loads its own candles from the store (as many as its indicators
    need to settle, which is the least that gives correct values), computes its own indicators over them and checks its
    own condition. A local file is the cheapest source that such a bot could load from; an exchange's API is slower.
    """
    chosen = random.Random(seed).choices(list(conditions), k=sample)
    load_ns = indicators_ns = check_ns = loads = indicators = 0
    reader = SeriesReader.of(store)
    for condition in chosen:
        plan = make_plan([condition])
        started = time.perf_counter_ns()
        histories = {
            series: FrameHistory(reader.last(series, reader.calendar(series).last_open(at_ms) + 1, needed.settle + 2))
            for series, needed in condition.needed.items()
        }
        loaded = time.perf_counter_ns()
        evaluator = HistoryEvaluator(plan, histories, reader.calendars)
        rows = list(evaluator.rows())
        computed = time.perf_counter_ns()
        evaluator.triggers(rows[-1].last(plan.memory + 2))
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
