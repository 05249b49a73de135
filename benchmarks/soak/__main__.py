"""``python -m benchmarks.soak --hours 2``: a real ``hub up`` on a simulated exchange with faults, for hours.

    python -m benchmarks.soak --hours 4 --speed 4 --out /var/tmp/soak

Everything is in the folder ``--out``: ``samples.jsonl`` grows by a line a minute, ``report.md`` is written at the end,
``data`` is the hub's folder, with its log ``up.log``. With ``--speed`` all clocks of all processes run as much faster
(Linux, a C compiler), so that Prefect's schedules stay what they are; the processes then need as much more of the
processors.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import msgspec

from benchmarks.clock.preloaded import NoOtherClock, run_by_clock
from benchmarks.peers.process import ROOT
from benchmarks.report import yes
from benchmarks.served import hub_up
from benchmarks.soak.population import fill
from benchmarks.soak.samples import Sample, look
from benchmarks.soak.troubles import LAST_CALM_MS, TROUBLES, trouble_at
from benchmarks.soak.verdict import Ending, findings, tables
from common.supervised import free_port
from common.timeframes import DURATION_MS, show_time
from registry.client import AsyncHubClient

_MINUTE_S, _HOUR_MS = 60.0, DURATION_MS["1h"]
_SETTINGS = {
    "HUB_WITHOUT": "",
    # Prefect keeps runs for more than an hour, so that hours show whether its database stops growing.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "3660",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "300",
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "PT1H",
    "HUB_EVENTS_RETENTION_HOURS": "1",
}
_ENDS_S = 1_800.0

T = TypeVar("T")


def main() -> int:
    """Run the soak; 1 if it shows something that it must not."""
    asked = _arguments()
    # Whatever ends this process, the hub and the exchange end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    asked.out.mkdir(parents=True, exist_ok=True)
    try:
        run_by_clock("benchmarks.soak", sys.argv[1:], asked.out, speed=asked.speed)
    except NoOtherClock as error:
        print(f"{error}; leave --speed out to run in real time", file=sys.stderr)
        return 2
    data_dir, length_ms = asked.out.absolute() / "data", int(asked.hours * _HOUR_MS)
    data_dir.mkdir()
    key = fill(data_dir, asked.instruments, asked.conditions)
    start_ms = time.time_ns() // 1_000_000
    with (
        _exchange(asked.instruments, start_ms, length_ms) as url,
        hub_up(data_dir, _SETTINGS | {"HUB_EXCHANGE_URLS": json.dumps({"binance": url})}) as served,
    ):
        reader = _Reader(served.url, key)
        samples = _watch(asked.out, data_dir, served.url, key, start_ms, length_ms)
        ending = _end(data_dir, reader, samples)
    report = _report(asked, samples, ending)
    (asked.out / "report.md").write_text(report, encoding="utf-8")
    print(report)
    return 0 if all(each.is_right for each in findings(samples, ending)) else 1


class _Reader:
    """Reads the user's event stream for as long as the soak takes."""

    def __init__(self, url: str, key: str) -> None:
        self.seqs: Counter[int] = Counter()
        self._url, self._key = url, key
        threading.Thread(target=lambda: asyncio.run(self._read()), name="reader", daemon=True).start()

    async def _read(self) -> None:
        async with AsyncHubClient(self._url, self._key) as client:
            async for trigger in client.triggers(after_seq=0):
                self.seqs[trigger.seq] += 1


def _watch(out: Path, data_dir: Path, url: str, key: str, start_ms: int, length_ms: int) -> list[Sample]:
    """A sample a minute until the end of the soak."""
    samples: list[Sample] = []
    with (out / "samples.jsonl").open("a", encoding="utf-8") as file:
        while (since_ms := time.time_ns() // 1_000_000 - start_ms) < length_ms:
            trouble = trouble_at(since_ms, length_ms)
            samples.append(look(data_dir, url, key, start_ms + since_ms, trouble.name if trouble else None))
            file.write(json.dumps(asdict(samples[-1])) + "\n")
            file.flush()
            due_s = (start_ms + len(samples) * _MINUTE_S * 1000) / 1000
            time.sleep(max(0.0, due_s - time.time()))
    return samples


def _end(data_dir: Path, reader: _Reader, samples: list[Sample]) -> Ending:
    """Audit and check the store while the hub runs."""
    audit = _hub(_Audited, data_dir, "verify", "--json")
    checks = _hub(list[_Check], data_dir, "store", "check", "--json")
    # What was recorded before the audit has been published long since.
    recorded = int(samples[-1].metrics.get("hub_triggers_total", 0))
    return Ending(
        differences=None if audit is None else len(audit.differences),
        audited=0 if audit is None else audit.triggers,
        wrong_checks=None if checks is None else sum(one.problem is not None for one in checks),
        received=sum(seq <= recorded for seq in reader.seqs),
        repeated=sum(count > 1 for count in reader.seqs.values()),
        recorded=recorded,
    )


class _Audited(msgspec.Struct):
    """What is read of ``hub verify --json``."""

    triggers: int
    differences: list[object]


class _Check(msgspec.Struct):
    """What is read of each check of ``hub store check --json``."""

    problem: str | None


def _hub(kind: type[T], data_dir: Path, *words: str) -> T | None:
    """What a command answers; ``None`` if it fails."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HUB_DATA_DIR": str(data_dir)}
    command = [sys.executable, "-m", "app_cli", *words]
    with suppress(subprocess.TimeoutExpired, msgspec.MsgspecError):
        done = subprocess.run(
            command, env=environment, cwd=data_dir, capture_output=True, text=True, check=False, timeout=_ENDS_S
        )
        print(done.stderr, file=sys.stderr)
        return msgspec.json.decode(done.stdout, type=kind)
    return None


@contextmanager
def _exchange(instruments: int, start_ms: int, length_ms: int) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.soak.exchange", *map(str, (port, instruments, start_ms, length_ms))]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)})
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _report(asked: argparse.Namespace, samples: list[Sample], ending: Ending) -> str:
    shown = findings(samples, ending)
    wrong = sum(not each.is_right for each in shown)
    lines = [f"- {yes(each.is_right)}: {each.what} ({each.detail})" for each in shown]
    parts = [
        "# Soak",
        f"{asked.hours:g} hours of the hub from {show_time(samples[0].at_ms)} UTC, its clock {asked.speed:g} times as "
        f"fast as the machine's; {asked.instruments} instruments, {asked.conditions} conditions of 1m and 5m; the "
        f"exchange fails in {len(TROUBLES)} ways in turn, except in the last {LAST_CALM_MS // DURATION_MS['1m']} "
        "minutes.",
        f"{wrong} of {len(shown)} are not as they should be." if wrong else "Nothing grows, lags or differs.",
        "\n".join(lines),
        *(table.markdown() for table in tables(samples)),
    ]
    return "\n\n".join(parts) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=2.0, help="how long, by the hub's clock")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster that clock runs than the machine's")
    parser.add_argument("--out", type=Path, default=Path(".hub/soak"), help="a folder for data, samples and report")
    parser.add_argument("--instruments", type=int, default=20)
    parser.add_argument("--conditions", type=int, default=500)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
