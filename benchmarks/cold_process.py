"""The process that ``benchmarks.cold`` measures: its cost from the first instruction, stage by stage.

Nothing is imported before the stage that needs it.
"""

import json
import sys
import time
from pathlib import Path


class Stages:
    """CPU seconds of this process between two marks."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._before = 0.0

    def mark(self, stage: str) -> None:
        """End a stage."""
        now = time.process_time()
        self.seconds[stage] = now - self._before
        self._before = now


def main() -> None:
    """Either load or compile all kernels, or become a worker that judges one tick of the hub in a folder."""
    stages = Stages()
    stages.mark("interpreter")
    folder = json.loads(sys.argv[1])
    import numpy  # noqa: F401

    stages.mark("numpy")
    import numba  # noqa: F401

    stages.mark("numba")
    import duckdb  # noqa: F401
    import polars  # noqa: F401

    stages.mark("polars, DuckDB")
    if folder is None:
        from engine.warming import warm

        warm(lambda _: None)
        stages.mark("all kernels")
    else:
        _judge(Path(folder), stages)
    print(json.dumps(stages.seconds))


def _judge(folder: Path, stages: Stages) -> None:
    from benchmarks.hub import open_hub

    stages.mark("the hub's modules, Redis client, settings")
    with open_hub(folder) as hub:
        stages.mark("store and event log opened")
        hub.prepare()
        stages.mark("plan, indicators from the checkpoint, kernels")
        hub.tick()
        stages.mark("first tick, recorded and published")
        import prefect  # noqa: F401

        import flows.tick  # noqa: F401

        stages.mark("Prefect, for a flow run")


if __name__ == "__main__":
    main()
