"""The table of the seed document, measured: 1000 users with 5 conditions each, isolated and shared."""

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from analysis.savings import ReferenceModel, saved_share
from benchmarks.hub import Hub, Tick, Wanted, alike, deal, mixed, open_hub
from benchmarks.lone import CandleFile, Library, LoneBot
from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, at_least, figure, times
from benchmarks.scale import Scale
from benchmarks.timing import alternate
from registry.conditions import Condition

STAGES = ("market data", "indicator", "condition check")
_MODELLED = 0.9936
"""The saving that the seed document's model arrives at."""


@dataclass(frozen=True)
class Shared:
    """The hub's ticks: medians over all of them, seconds."""

    stages: tuple[float, float, float]
    record: float
    publish: float
    cpu: float
    wall: float
    counts: tuple[int, int, int]
    """Series loaded, indicators computed, conditions judged on a tick."""
    fired: frozenset[str]
    """Conditions that fired on the last tick."""
    close_ms: int
    once: float
    """CPU time of registering, planning and computing the past."""


@dataclass(frozen=True)
class Isolated:
    """All bots on the last tick, one after another; seconds of CPU time and wall time."""

    cpu: tuple[float, float, float]
    wall: tuple[float, float, float]
    fired: frozenset[str]
    library: Library
    remark: str


def seed(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """The seed's own case, where all conditions read one indicator of one series, and a mixed one."""
    cases = (
        ("RSI(14) of one series, as in the seed's example", alike(scale.unique_conditions)),
        ("eight pairs, several indicators", mixed(scale.unique_conditions)),
    )
    tables, shares = [], []
    for title, conditions in cases:
        shared, isolated, wanted = _measure(scale, conditions)
        assert shared.fired == isolated.fired, sorted(shared.fired ^ isolated.fired)
        tables.append(_measured(scale, title, shared, isolated, wanted))
        shares.append(saved_share(sum(isolated.wall), shared.wall))
    size = f"{scale.users:,} users with {scale.conditions_a_user} conditions each"
    target = at_least(f"time saved for {size}, the seed's case", _MODELLED * 100, shares[0] * 100, " %")
    return Section(f"The seed's table: {size}", [*tables, _modelled(scale)], [target])


def _measure(scale: Scale, conditions: Sequence[Condition]) -> tuple[Shared, Isolated, list[Wanted]]:
    wanted = deal(conditions, scale.users, scale.conditions_a_user)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with open_hub(folder) as hub:
            shared = _share(hub, wanted, scale.hub_ticks)
        with duckdb.connect(str(folder / "store" / "candles.duckdb"), read_only=True) as connection:
            isolated = _isolate(CandleFile(connection), wanted, shared.close_ms, scale)
    return shared, isolated, wanted


def _share(hub: Hub, wanted: Sequence[Wanted], ticks: int) -> Shared:
    started = time.process_time()
    hub.subscribe(wanted)
    hub.prepare()
    once = time.process_time() - started
    hub.tick()  # compiles, or loads, what only a tick needs
    done = [hub.tick() for _ in range(ticks)]
    rows = hub.store.ticks.ticks().tail(ticks)
    triggers = hub.store.triggers.after(0, hub.store.triggers.last_seq())
    of_last = triggers.filter(triggers["close_time"].dt.epoch("ms") == done[-1].close_ms)

    def middle(values: Sequence[float]) -> float:
        return statistics.median(values)

    def of(tick: Tick) -> tuple[float, float]:
        return tick.done.record_us / 1e6, tick.done.publish_us / 1e6

    assert (rows["subscriptions"] == len(wanted)).all()
    load, indicators, judge = (middle(rows[name].to_list()) / 1e6 for name in ("load_us", "indicators_us", "judge_us"))
    series, computed, judged = (int(rows[name].median()) for name in ("series", "indicators", "conditions"))  # type: ignore[arg-type]
    return Shared(
        stages=(load, indicators, judge),
        record=middle([of(tick)[0] for tick in done]),
        publish=middle([of(tick)[1] for tick in done]),
        cpu=middle([tick.cpu for tick in done]),
        wall=middle([tick.wall for tick in done]),
        counts=(series, computed, judged),
        fired=frozenset(of_last["condition_id"]),
        close_ms=done[-1].close_ms,
        once=once,
    )


def _isolate(store: CandleFile, wanted: Sequence[Wanted], close_ms: int, scale: Scale) -> Isolated:
    library, remark = _faster(store, wanted[: scale.isolated_sample], close_ms, scale.rounds)
    bots = [LoneBot(condition, library) for _, _, condition in wanted]
    cpu, wall, fired = [0.0] * 3, [0.0] * 3, set()
    for bot in bots:
        marks = [(time.process_time(), time.perf_counter())]
        columns = bot.load(store, close_ms)
        marks.append((time.process_time(), time.perf_counter()))
        sides = bot.compute(columns)
        marks.append((time.process_time(), time.perf_counter()))
        if bot.check(*sides):
            fired.add(bot.condition.id)
        marks.append((time.process_time(), time.perf_counter()))
        for stage in range(3):
            cpu[stage] += marks[stage + 1][0] - marks[stage][0]
            wall[stage] += marks[stage + 1][1] - marks[stage][1]
    return Isolated((cpu[0], cpu[1], cpu[2]), (wall[0], wall[1], wall[2]), frozenset(fired), library, remark)


def _faster(store: CandleFile, wanted: Sequence[Wanted], close_ms: int, rounds: int) -> tuple[Library, str]:
    """The library that makes lone bots faster, and a remark with both times."""

    def measure(library: Library) -> float:
        bots = [LoneBot(condition, library) for _, _, condition in wanted]
        loaded = [(bot, bot.load(store, close_ms)) for bot in bots]
        started = time.process_time()
        for bot, columns in loaded:
            bot.compute(columns)
        return time.process_time() - started

    spent = alternate({"TA-Lib": lambda: measure("TA-Lib"), "ours": lambda: measure("ours")}, rounds)
    us = {name: figure(seconds / len(wanted) * 1e6) for name, seconds in spent.items()}
    remark = f"{us['TA-Lib']} us with TA-Lib, {us['ours']} us with ours"
    return ("TA-Lib" if spent["TA-Lib"] <= spent["ours"] else "ours"), remark


def _measured(scale: Scale, title: str, shared: Shared, isolated: Isolated, wanted: Sequence[Wanted]) -> Table:
    count = len(wanted)
    rows = []
    for stage, name in enumerate(STAGES):
        done, spent = shared.counts[stage], shared.stages[stage]
        alone = isolated.wall[stage]
        rows.append([name, f"{count:,}", _ms(alone / count), _seconds(alone),
                     f"{done:,}", _ms(spent / max(done, 1)), _seconds(spent)])  # fmt: skip
    rest = max(0.0, shared.wall - sum(shared.stages) - shared.record - shared.publish)
    for name, spent in (("recording", shared.record), ("publishing", shared.publish), ("the rest of a tick", rest)):
        rows.append([name, "-", "-", "-", "1", _ms(spent), _seconds(spent)])
    alone = sum(isolated.wall)
    rows.append(["**total, on the clock**", "", "", f"**{_seconds(alone)}**", "", "", f"**{_seconds(shared.wall)}**"])
    rows.append(["total, CPU time", "", "", _seconds(sum(isolated.cpu)), "", "", _seconds(shared.cpu)])
    share = saved_share(alone, shared.wall)
    evaluated = sum(isolated.wall[1:]), sum(shared.stages[1:])
    remark = (
        f"**Measured: {title}.** {count:,} evaluations by isolated bots against one tick that judges "
        f"{shared.counts[2]:,} unique conditions for the same subscriptions, same store, same candles; what fired is "
        f"asserted to be the same ({len(isolated.fired):,} conditions on this tick). Sharing saves **{share:.2%}** of "
        f"the time on the clock, {times(alone / shared.wall)}; of the CPU time "
        f"{saved_share(sum(isolated.cpu), shared.cpu):.2%}; of indicators and checks alone "
        f"{saved_share(*evaluated):.2%}, {times(evaluated[0] / evaluated[1])}. A bot loads just the columns and "
        "candles that it needs with one query of the hub's own file, in the same process, and computes with "
        f"{isolated.library} ({isolated.remark} an evaluation); all {count:,} were really done, one after another. The "
        f"hub's figures are medians of {scale.hub_ticks} ticks, without Prefect. Once, before the first of them, it "
        f"took {_seconds(shared.once)} of CPU time to register, plan and compute the past."
    )
    header = ("", "isolated: times", "each", "in all", "shared: times", "each", "in all")
    return Table(remark, header, rows)


def _modelled(scale: Scale) -> Table:
    """The seed's figures: assumed costs, with nothing measured."""
    model, count, unique = ReferenceModel(), scale.users * scale.conditions_a_user, scale.unique_conditions
    isolated, shared = model.isolated_ms(count) / 1e3, model.shared_ms(1, 1, unique) / 1e3
    costs = zip(STAGES, (model.load_ms, model.indicator_ms, model.check_ms), (1, 1, unique), strict=True)
    rows = [
        [name, f"{count:,}", _ms(ms / 1e3), _seconds(count * ms / 1e3), f"{done:,}", _ms(ms / 1e3),
         _seconds(done * ms / 1e3)]
        for name, ms, done in costs
    ]  # fmt: skip
    rows.append(["**total**", "", "", f"**{_seconds(isolated)}**", "", "", f"**{_seconds(shared)}**"])
    remark = (
        "**Modelled, not measured:** the seed document's own figures. It assumes 100 ms a load, 50 ms an indicator and "
        f"10 ms a check, and comes to a saving of **{saved_share(isolated, shared):.2%}**."
    )
    return Table(remark, ("", "isolated: times", "each", "in all", "shared: times", "each", "in all"), rows)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.4g} ms"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.4g} s"
