"""One trigger for many bots of a running hub: its owner and the process of bots, as `hub up` starts them."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bot_hub import CONDITION, candle, filled, fired
from benchmarks.served import hub_up
from bots.executor.report import ExecutorReport
from common.settings import load_settings
from events.log.publisher import drain
from events.opening import connect_log
from registry.store import open_configured, open_store
from registry.store.protocol import Store

_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000
_LOOKED_S = 0.05
_PATIENCE_S = 300.0


@dataclass(frozen=True)
class Acted:
    """What came of a trigger."""

    bots: int
    """Those that acted on it."""
    each_once: bool
    seconds: float
    """From the moment when it is about to be published until the last of them is on record."""


def acted_when_served(count: int) -> Acted:
    """Have a condition of ``count`` bots fire in a running hub."""
    # Until a trigger of last year is acted on, it has expired.
    close_ms = int(time.time() * 1000) // _HOUR_MS * _HOUR_MS
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "hub"
        folder.mkdir(mode=0o700)
        with open_store(f"duckdb:{folder}/store") as store:
            filled(store, count, close_ms - _HOUR_MS)
        with hub_up(folder, {}):
            settings = load_settings(data_dir=folder)
            with open_configured(settings) as store, connect_log(settings) as log:
                numbers = [bot.number for bot in store.bots.changed_after(0, count + 1)]
                _wait(lambda: _runs(folder, count))
                # The candle on which it fires is there, and so is everything else.
                store.candles.upsert(candle(close_ms - _MINUTE_MS, 50_000.0))
                time.sleep(2)
                store.ticks.record_tick(fired(close_ms))
                began_s = time.perf_counter()
                drain(store, log)
                _wait(lambda: _is_on_record(store, numbers))
                seconds = time.perf_counter() - began_s
                actions = Counter({number: store.bots.history(number, "actions", 10).height for number in numbers})
    return Acted(sum(times > 0 for times in actions.values()), set(actions.values()) == {1}, seconds)


def _runs(folder: Path, count: int) -> bool:
    report = ExecutorReport.read(folder)
    return report is not None and report.bots == count


def _is_on_record(store: Store, numbers: list[int]) -> bool:
    """Whether all have acted; asked of a few first, as asking of all takes time from them."""
    for some in (numbers[:: max(1, len(numbers) // 20)], numbers):
        entered = [standing for _, standing in store.bots.standings(some) if standing.status != "waiting"]
        if len(entered) < len(some):
            return False
    return True


def _wait(is_so: Callable[[], bool]) -> None:
    until = time.perf_counter() + _PATIENCE_S
    while not is_so():
        if time.perf_counter() > until:
            raise TimeoutError(f"bots have not come to {CONDITION.id} in {_PATIENCE_S:.0f} s")
        time.sleep(_LOOKED_S)
