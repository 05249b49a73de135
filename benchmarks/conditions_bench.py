"""Judging many conditions on one tick, against polars and DuckDB on the same values."""

import duckdb
import numpy as np
import polars as pl

from benchmarks.timing import alternate
from flows import judge as kernels
from flows.evaluate import unknown_ages
from flows.plan import make_plan
from registry.conditions import Condition

CONDITIONS = 20_000


def conditions() -> list[list[str]]:
    """Rows: who, ns a condition. Half are comparisons, half crossings, all against constants of one of 200 values."""
    dice = np.random.default_rng(5)
    held = [
        Condition.parse(f"BTCUSDT 1h: rsi({period}) {operator} {level:.6g}")
        for period in range(2, 202)
        for operator in ("<", "crosses_above")
        for level in dice.uniform(5, 95, CONDITIONS // 400)
    ]
    plan = make_plan(held)
    now, before = dice.uniform(0, 100, plan.slots), dice.uniform(0, 100, plan.slots)
    truth = np.empty(plan.program.size, np.uint8)
    program = plan.program
    ages = unknown_ages(plan)

    def with_the_hub() -> None:
        kernels.judge(now, before, plan.is_base, *program.arrays(), ages, truth)

    crossing = np.zeros(program.left.size, np.bool_)
    for code, _, first, last in program.segments:
        crossing[first:last] = code >= 4
    values = pl.DataFrame({"slot": np.arange(plan.slots), "now": now, "before": before})
    wanted = pl.DataFrame({"slot": program.left, "level": program.constants, "crossing": crossing})
    database = duckdb.connect()
    database.register("wanted_rows", wanted)
    database.register("value_rows", values)
    database.execute("CREATE TABLE wanted AS FROM wanted_rows")
    database.execute("CREATE TABLE given AS FROM value_rows")

    def with_polars() -> object:
        below = pl.col("now") < pl.col("level")
        crosses = (pl.col("now") > pl.col("level")) & (pl.col("before") <= pl.col("level"))
        joined = wanted.join(values, on="slot", how="left", maintain_order="left")
        return joined.select(pl.when(pl.col("crossing")).then(crosses).otherwise(below).alias("truth"))["truth"]

    def with_duckdb() -> object:
        return database.execute(
            "SELECT CASE WHEN crossing THEN now > level AND before <= level ELSE now < level END AS truth "
            "FROM wanted JOIN given USING (slot)"
        ).fetchnumpy()

    with_the_hub()
    assert int((truth == kernels.TRUE).sum()) == int(with_polars().sum())  # type: ignore[attr-defined]
    spent = alternate(
        {
            "Condition Hub": with_the_hub,
            "polars (join, when/then)": with_polars,
            "DuckDB (join, CASE)": with_duckdb,
        },
        rounds=31,
    )
    ours = spent["Condition Hub"]
    return [
        [who, f"{seconds / len(held) * 1e9:.1f}", f"{seconds / ours:.0f}x" if who != "Condition Hub" else "1x"]
        for who, seconds in spent.items()
    ]
