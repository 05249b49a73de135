"""Ten times the subscriptions to the same conditions: what a tick then costs."""

import gc
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.peers.process import Peers
from benchmarks.processes import resident_mb, run_apart
from benchmarks.report import Section, Table, at_most, figure
from benchmarks.scale import Scale

_TIMES = 10
_UNCHANGED = 1.1
"""Equal, within the precision that a shared machine allows."""
_CHUNK = 5_000


def subscriptions(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """Processes with few and with many subscriptions take turns."""
    sizes = {"few": scale.users, "many": scale.users * _TIMES}
    request = {"each": scale.conditions_a_user, "unique": scale.unique_conditions, "ticks": scale.hub_ticks}
    runs: dict[str, list[dict[str, float | None]]] = {size: [] for size in sizes}
    for _ in range(min(5, scale.rounds)):
        for size, users in sizes.items():
            runs[size].append(run_apart("benchmarks.subscriptions", request | {"users": users}))

    def middle(size: str, what: str) -> float:
        values = [value for run in runs[size] if (value := run[what]) is not None]
        return statistics.median(values) if values else float("nan")

    measured = {
        "evaluation: candles, indicators, judging; ms on the clock": "evaluation_ms",
        "of it indicators and judging, us on the clock": "judging_us",
        "whole tick, recording and publishing too; ms of CPU time": "tick_cpu_ms",
        "memory of the process, MB": "resident_mb",
        "subscribing once, s of CPU time": "subscribe_s",
    }
    rows = [
        [title, figure(middle("few", what)), figure(middle("many", what)),
         f"{middle('many', what) / middle('few', what):.2f}x"]
        for title, what in measured.items()
    ]  # fmt: skip
    counts = [users * scale.conditions_a_user for users in sizes.values()]
    remark = (
        f"The same {scale.unique_conditions:,} conditions on eight pairs with {counts[0]:,} and with {counts[1]:,} "
        f"subscriptions; medians of {scale.hub_ticks} ticks a process and of {min(5, scale.rounds)} processes of each."
    )
    header = ("what", f"{counts[0]:,}", f"{counts[1]:,}", "ratio")
    targets = [
        at_most(f"indicators and judging of a tick with {_TIMES} times the subscriptions", _UNCHANGED,
                middle("many", "judging_us") / middle("few", "judging_us"), "x"),
        at_most(f"CPU time of a whole tick with {_TIMES} times the subscriptions", _UNCHANGED,
                middle("many", "tick_cpu_ms") / middle("few", "tick_cpu_ms"), "x"),
    ]  # fmt: skip
    return Section(f"{_TIMES} times the subscriptions", [Table(remark, header, rows)], targets)


def main() -> None:
    """The process that is measured: takes its sizes from the command line and prints its figures as JSON."""
    from benchmarks.hub import deal, mixed, open_hub

    sizes = json.loads(sys.argv[1])
    wanted = deal(mixed(sizes["unique"]), sizes["users"], sizes["each"])
    with tempfile.TemporaryDirectory() as made, open_hub(Path(made)) as hub:
        started = time.process_time()
        for begin in range(0, len(wanted), _CHUNK):
            hub.subscribe(wanted[begin : begin + _CHUNK])
        subscribe_s = time.process_time() - started
        hub.prepare()
        hub.tick()
        ticks = [hub.tick() for _ in range(sizes["ticks"])]
        rows = hub.store.ticks.ticks().tail(sizes["ticks"])
        assert (rows["subscriptions"] == len(wanted)).all()
        gc.collect()
        judging = (rows["indicators_us"] + rows["judge_us"]).to_list()
        evaluation = (rows["load_us"] + rows["indicators_us"] + rows["judge_us"]).to_list()
        answer = {
            "evaluation_ms": statistics.median(evaluation) / 1e3,
            "judging_us": statistics.median(judging),
            "tick_cpu_ms": statistics.median(tick.cpu for tick in ticks) * 1e3,
            "resident_mb": resident_mb(),
            "subscribe_s": subscribe_s,
        }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
