"""What is registered can be judged, always: nobody stops a timeframe for others with a condition of his.

A real service, real registrations over HTTP, a real ``hub tick``. ``test_limits_of_conditions`` tries thousands of
conditions near every limit.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import httpx
import polars as pl
import pytest

import app_cli
from common.timeframes import to_ms
from registry.conditions import Condition
from registry.language import surface
from registry.store.files.file_store import FileStore
from tests.chaos.processes import EFFORT
from tests.waiting import wait_for

HUB = Path(sys.executable).with_name("hub")
HOUR = timedelta(hours=1)
LARGE = "any(close rises_by 1% within 500 bars, open rises_by 1% within 500 bars)"
"""It stopped every tick of its timeframe: its canonical text was counted in another way than what was typed."""
TOO_LARGE = (
    "any(" + ", ".join(f"{field} rises_by 1% within 500 bars" for field in ("close", "open", "high", "low")) + ")"
)


def recent_candles(hours: int = 600) -> pl.DataFrame:
    """Candles up to the last full hour, so that a real tick has something to judge."""
    last = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    opens = [last - HOUR * n for n in range(hours, 0, -1)]
    prices = [100.0 + (n * 7 % 13) for n in range(hours)]
    rows = {
        "exchange": ["BINANCE"] * hours, "timeframe": ["1h"] * hours, "open_time": opens,
        "open": prices, "high": [price + 1 for price in prices], "low": [price - 1 for price in prices],
        "close": prices, "volume": [5.0] * hours,
    }  # fmt: skip
    frames = [pl.DataFrame({**rows, "symbol": [symbol] * hours}) for symbol in ("BTCUSDT", "ETHUSDT")]
    return pl.concat(frames).with_columns(pl.col("open_time").cast(pl.Datetime("ms", "UTC")))


TICK = """
import asyncio, sys
from common.settings import load_settings
from flows.advance import advance
from flows.runtime import open_runtime

with open_runtime(load_settings()) as runtime:
    print(asyncio.run(advance(runtime, "1h", runtime.clock.now_ms())).ticks)
"""
"""What ``hub tick 1h`` does, without Prefect's server, which takes longer to start than all the rest."""


class Service:
    """``hub up`` in a folder of its own, and commands on that folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capsys = capsys
        self._log = folder / "up.log"

    def start(self) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([HUB, "up"], stdout=log, stderr=log)

        def serves() -> bool:
            assert self._process.poll() is None, self._log.read_text()
            return b"Condition Hub serves" in self._log.read_bytes()

        wait_for(serves, "the service to answer", 120)
        self.url = json.loads((self._folder / "service.json").read_text())["url"]

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def run(self, *arguments: str, code: int = 0) -> str:
        """What a command writes to stdout; it has to end with ``code``."""
        self._capsys.readouterr()
        ended = app_cli.run(list(arguments))
        shown = self._capsys.readouterr()
        assert ended == code, shown.err
        return shown.out

    def tick(self) -> int:
        """How many slots a tick of 1h judges, in a process of its own."""
        command = [sys.executable, "-c", TICK] if EFFORT == 1 else [str(HUB), "tick", "1h", "--json"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return int(done.stdout) if EFFORT == 1 else int(json.loads(done.stdout)["ticks"])

    def client(self, user: str, *options: str) -> httpx.Client:
        key = json.loads(self.run("keys", "create", user, *options, "--json"))["key"]
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


@pytest.fixture
def unreadable() -> Condition:
    """A condition that an older hub would have registered, and that no hub can read back."""
    with pytest.MonkeyPatch.context() as older:
        older.setattr(surface, "MOST_UNFOLDED", 1_000_000)
        return Condition.parse(f"BTCUSDT 1h: {TOO_LARGE}")


@pytest.fixture
def service(
    tmp_path: Path, unreadable: Condition, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Service]:
    """The service on a store that has an unreadable condition already."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("HUB_", "PREFECT_", "REDIS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HUB_API_PORT", "0")
    monkeypatch.setenv("HUB_WITHOUT", "worker,bots,dashboard")
    started_ms = to_ms(datetime.now(UTC)) - 7_200_000
    with FileStore(tmp_path / "store") as store, pytest.MonkeyPatch.context() as older:
        store.candles.upsert(recent_candles())
        older.setattr(Condition, "check_reads_back", lambda _: None)
        store.registry.register([unreadable], active_from_ms=started_ms)
        store.registry.register([Condition.parse("ETHUSDT 1h: every(close > 1)")], active_from_ms=started_ms)
    with duckdb.connect(tmp_path / "store" / "registry.duckdb") as older_store:
        # An older hub kept texts alone.
        older_store.execute("UPDATE condition_registry SET packed = NULL")
    hub = Service(tmp_path, capsys)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


def test_no_condition_stops_a_timeframe(service: Service, unreadable: Condition) -> None:
    with service.client("mallory") as mallory, service.client("root", "--operator") as operator:
        refused = [
            {"condition": f"BTCUSDT 1h: {TOO_LARGE}"},
            {"symbol": "BTCUSDT", "timeframe": "1h", "when": TOO_LARGE},
            {
                "symbol": "BTCUSDT",
                "timeframe": "1h",
                "when": {"any": [_move(field) for field in ("close", "open", "high", "low")]},
            },
        ]
        for body in refused:
            answer = mallory.post("/conditions/register", json=body)
            assert (answer.status_code, answer.json()["type"]) == (422, "urn:condition-hub:problem:invalid-condition")
            assert "reduces to 12000 operands" in answer.json()["detail"]
            assert "at most 10000 are allowed: look back over fewer bars" in answer.json()["detail"]
        bulk = mallory.post("/conditions/register/bulk", json={"conditions": [*refused, f"BTCUSDT 1h: {LARGE}"]}).json()
        assert (bulk["failed"], bulk["created"]) == (3, 1)
        large = bulk["results"][3]["condition_id"]

        assert service.tick() >= 1

        status = mallory.get(f"/conditions/{unreadable.id}/status").json()
        assert (status["state"], status["active"]) == ("err", False)
        assert "it cannot be read: the condition reduces to 12000 operands" in status["reason"]
        fine = mallory.get(f"/conditions/{large}/status").json()
        assert (fine["state"], fine["reason"]) == ("judged", None)
        (good,) = [
            row for row in json.loads(service.run("conditions", "list", "--json")) if "ETHUSDT" in row["condition"]
        ]
        assert (good["state"], good["triggers"] >= 1) == ("judged", True)
        assert mallory.get("/health/ready").json()["conditions_in_error"] == 1
        assert "hub_conditions_in_error 1.0" in operator.get("/metrics").text
        assert json.loads(service.run("status", "--json"))["in_error"] == 1
        for answer in (
            mallory.get(f"/conditions/{unreadable.id}/explain"),
            mallory.post("/conditions/subscribe", json=_subscription(unreadable.id)),
        ):
            assert (answer.status_code, answer.json()["type"]) == (409, "urn:condition-hub:problem:condition-in-error")
        assert json.loads(service.run("verify", "--json"))["differences"] == []

        service.run("conditions", "retire", unreadable.id, "--why", "it cannot be judged")
        service.run("conditions", "retire", large, "--why", "it takes too long")
        service.run("conditions", "retire", "0" * 32, "--why", "there is none", code=1)
        assert mallory.get(f"/conditions/{unreadable.id}/status").json()["state"] == "retired"
        status = mallory.get(f"/conditions/{large}/status").json()
        assert (status["state"], status["reason"], status["active"]) == ("retired", "it takes too long", False)
        for answer in (
            mallory.post("/conditions/register", json={"condition": f"BTCUSDT 1h: {LARGE}"}),
            mallory.post("/conditions/subscribe", json=_subscription(large)),
        ):
            assert (answer.status_code, answer.json()["type"]) == (409, "urn:condition-hub:problem:condition-retired")
            assert "it takes too long" in answer.json()["detail"]
        bulk = mallory.post(
            "/conditions/register/bulk", json={"conditions": [f"BTCUSDT 1h: {LARGE}", "BTCUSDT 1h: close > 7"]}
        ).json()
        assert [result["created"] for result in bulk["results"]] == [False, True]
        assert "it takes too long" in bulk["results"][0]["error"]
        service.run("conditions", "reinstate", large)
        assert mallory.get(f"/conditions/{large}/status").json()["state"] == "judged"


def _move(field: str) -> dict[str, object]:
    return {"value": {"price": field}, "operator": "rises_by", "percent": 1, "bars": 500}


def _subscription(condition_id: str) -> Mapping[str, object]:
    return {"bot_id": "b", "condition_id": condition_id, "bot_type": "dca", "bot_config": {}}
