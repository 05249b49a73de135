"""What keeps a tick from doing all of its work shows in Prefect, ``hub status``, ``/metrics`` and the dashboard, and
heals by itself once its cause is gone: nothing is lost, nothing happens twice.

One set of real processes for all causes, one after another, their clock running faster.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx
import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.clock.preloaded import clock_environment
from common.timeframes import DURATION_MS
from hub.alone import holder
from hub.demo.simulated_exchange import Fault, SimulatedExchange
from hub.demo.simulated_market import Pair
from registry.conditions import Condition
from registry.instruments import Listing
from registry.keys import new_key
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from tests.candles.simulators import served
from tests.chaos.processes import EFFORT
from tests.chaos.servers import LogServer
from tests.flows.hub_folder import PATIENCE_S, Folder
from tests.waiting import wait_for

SPEED = 2.0
PAIRS = (Pair("BTC"), Pair("ETH"))
STEADY = Condition.parse("BINANCE:BTCUSDT 1m: every(close > 0)")
DAMAGED = Condition.parse("BINANCE:ETHUSDT 1m: every(close > 0)")
AWAY = Condition.parse("OKX:BTCUSDT 1m: every(close > 0)")
SLOW = Condition.parse("OKX:BTCUSDT 3m: every(close > 0)")
CONDITIONS = (STEADY, DAMAGED, AWAY, SLOW)
HEALTH_PAGE = """
import json, sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file(sys.argv[1], default_timeout=300)
app.run()
app.switch_page("../pages/health.py")
app.run()
figures = {metric.label: metric.value for metric in app.metric}
print(json.dumps({"errors": len(app.exception), "faults": [one.value for one in app.warning], "figures": figures}))
"""
DASHBOARD = Path(__file__).parents[2] / "dashboard" / "script" / "main.py"

pytestmark = pytest.mark.skipif(EFFORT == 1, reason="takes minutes: `make chaos`")


@dataclass(frozen=True)
class Shown:
    """What a hub shows of itself, everywhere but in Prefect."""

    status: dict[str, Any]
    screen: str
    """``hub status`` for people, in one line."""
    faults: str
    """What the dashboard's page Health warns of."""
    figures: dict[str, str]
    """Label -> value on that page."""


class WatchedHub:
    """A hub whose clock runs faster, with two exchanges and an event log of its own."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        clock = clock_environment(path, speed=SPEED)
        self._origin_ns = int(clock["FASTER_CLOCK"].split()[1])
        self.near, self.far = (SimulatedExchange(PAIRS, self.now_ms) for _ in range(2))
        self.log = LogServer(path / "log")
        self._clock, self._path = clock, path

    def now_ms(self) -> int:
        """The time by the hub's clock."""
        return int(self._origin_ns + SPEED * (time.time_ns() - self._origin_ns)) // 1_000_000

    def start(self, near_url: str, far_url: str) -> None:
        """Fill the store, damage a condition, and start everything."""
        exchanges = {"binance": near_url, "okx": far_url}
        self.folder = Folder(self._path, exchanges, REDIS_URL=self.log.url, **self._clock)
        self.data = self._path / "data"
        self.data.mkdir()
        key, self._key = new_key("olga", "operator", "", self.now_ms())
        with FileStore(self.data / "store") as store:
            store.accounts.add_key(key)
            store.candles.list_instruments([Listing(each) for each in {one.series.instrument for one in CONDITIONS}])
            store.registry.register(CONDITIONS, active_from_ms=self.now_ms())
            requests = [SubscriptionRequest("olga", "bot", each.id, "dca", {}) for each in CONDITIONS]
            store.registry.subscribe(requests, active_from_ms=self.now_ms())
        self.rewrite(DAMAGED, "nonsense")
        self.up()

    def up(self) -> None:
        """Start ``hub up``."""
        self.process = self.folder.start("up")

    def rewrite(self, condition: Condition, text: str) -> None:
        """Give a stored condition other texts; nobody may have the store open."""
        with duckdb.connect(str(self.data / "store" / "registry.duckdb")) as registry:
            registry.execute(
                "UPDATE condition_registry SET canonical = $1, text = $1 WHERE condition_id = $2", [text, condition.id]
            )

    def runs(self) -> list[dict[str, Any]]:
        """Prefect's newest runs of ticks, the newest first; none while its server does not answer."""
        begun = {"state": {"type": {"any_": ["RUNNING", "COMPLETED", "FAILED", "CRASHED"]}}, "name": {"like_": "tick-"}}
        try:
            port, login = ((self.data / "prefect" / f"prefect.{name}").read_text() for name in ("port", "login"))
            user, _, password = login.partition(":")
            answer = httpx.post(
                f"http://127.0.0.1:{port}/api/flow_runs/filter",
                json={"flow_runs": begun, "sort": "START_TIME_DESC", "limit": 100},
                auth=(user, password),
                timeout=60,
            )
        except (OSError, httpx.HTTPError):
            return []
        return [dict(run) for run in answer.json()]

    def run_says(self, *words: str, state: str = "Completed") -> Callable[[], bool]:
        """Whether one of these runs ended in a state whose message has some words."""

        def says() -> bool:
            states = [run["state"] for run in self.runs()]
            return any(one["name"] == state and all(word in (one["message"] or "") for word in words) for one in states)

        return says

    def show(self) -> Shown:
        """Look everywhere at once."""
        commands = {
            "status": ["-m", "app_cli", "status", "--json"],
            "screen": ["-m", "app_cli", "status"],
            "page": ["-c", HEALTH_PAGE, str(DASHBOARD)],
        }
        looking = {
            name: subprocess.Popen(
                [sys.executable, *words],
                env=self.folder.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for name, words in commands.items()
        }
        said = {}
        for name, process in looking.items():
            said[name], problems = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, problems
        page = json.loads(said["page"].splitlines()[-1])
        assert page["errors"] == 0
        screen = " ".join(said["screen"].split())
        return Shown(json.loads(said["status"]), screen, " ".join(page["faults"]), page["figures"])

    def lateness(self, condition: Condition, close_ms: int) -> bool | None:
        """Whether a trigger is marked as late; ``None`` while there is none."""
        answer = self._ask(f"/conditions/{condition.id}/triggers")
        triggers = [] if answer is None else answer.json()["items"]
        return next((bool(one["late"]) for one in triggers if one["close_time"] == close_ms), None)

    def _ask(self, path: str) -> httpx.Response | None:
        """What the service answers, if it does."""
        try:
            url = json.loads((self.data / "service.json").read_text())["url"]
            return httpx.get(f"{url}{path}", headers={"Authorization": f"Bearer {self._key}"}, timeout=60)
        except (OSError, httpx.HTTPError):
            return None

    def metrics(self) -> dict[str, float]:
        """``/metrics``: name with its labels -> value; empty if the service does not answer."""
        answer = self._ask("/metrics")
        if answer is None or answer.status_code != httpx.codes.OK:
            return {}
        values = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                labels = "".join(f" {value}" for _, value in sorted(sample.labels.items()))
                values[f"{sample.name}{labels}"] = sample.value
        return values

    def is_well(self) -> bool:
        """Whether everything is judged up to now and published."""
        metrics = self.metrics()
        lags = [value for name, value in metrics.items() if name.startswith("hub_tick_lag_seconds")]
        failing = [value for name, value in metrics.items() if name.startswith("hub_deployment_failing")]
        waiting = [value for name, value in metrics.items() if name.startswith("hub_groups waiting")]
        return (
            len(lags) == 2
            and max(lags) < 60
            and not any(failing + waiting)
            and metrics.get("hub_event_queue_depth") == 0
        )

    def wait_until_well(self) -> None:
        """Return once it has healed."""
        wait_for(self.is_well, "an end of what was wrong", PATIENCE_S)

    def stop(self) -> None:
        """End everything."""
        self.folder.stop()
        self.log.stop()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedHub]:
    # Not below the folders of pytest: the path of a socket has to be short.
    made = WatchedHub(tmp_path_factory.mktemp("f") / "h")
    with served(made.near) as near_url, served(made.far) as far_url:
        made.start(near_url, far_url)
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(autouse=True)
def well(hub: WatchedHub) -> None:
    """Each cause comes upon a hub that works."""
    hub.wait_until_well()


def test_a_damaged_condition_shows_everywhere_and_stops_nobody(hub: WatchedHub) -> None:
    wait_for(hub.run_says("conditions in error: 1 "), "a run that says so", PATIENCE_S)
    shown = hub.show()
    assert shown.status["in_error"] == 1
    assert "1 conditions in error" in shown.screen
    assert "1 conditions cannot be judged" in shown.faults
    assert hub.metrics()["hub_conditions_in_error"] == 1


def test_redis_away(hub: WatchedHub) -> None:
    hub.log.kill()
    wait_for(hub.run_says("triggers are not published: "), "a run that says so", PATIENCE_S)
    shown = hub.show()
    assert shown.status["health"] == "degraded"
    assert "problem" in shown.status["events"]
    assert "is degraded: event log" in shown.screen
    assert "is degraded: event log" in shown.faults
    assert shown.figures["To publish"] == "unknown"
    assert hub.metrics()["hub_event_log_up"] == 0
    hub.log.start()


def test_an_exchange_away(hub: WatchedHub) -> None:
    hub.far.is_down = True
    hub.far.sockets.cut()
    wait_for(hub.run_says("groups that wait for a candle: 1, one of them OKX:BTCUSDT 1m"), "such a run", PATIENCE_S)
    shown = hub.show()
    waiting = {one["series"] for each in shown.status["timeframes"] for one in each["waiting"]}
    assert "OKX:BTCUSDT 1m" in waiting
    assert "OKX:BTCUSDT 1m" in shown.screen
    assert int(shown.figures["Groups waiting"]) >= 1
    metrics = hub.metrics()
    assert metrics["hub_groups waiting 1m"] == 1
    assert metrics["hub_series OKX current"] < metrics["hub_series OKX all"]
    hub.far.is_down = False


def test_a_late_candle_does_not_wait_for_the_next_close(hub: WatchedHub) -> None:
    close_ms = hub.now_ms() // DURATION_MS["3m"] * DURATION_MS["3m"] + DURATION_MS["3m"]
    if close_ms - hub.now_ms() < 20_000:
        close_ms += DURATION_MS["3m"]
    hub.far.socket_faults.late_ms = 60_000
    wait_for(lambda: hub.now_ms() > close_ms - 10_000, "the close", PATIENCE_S)
    hub.far.faults.extend([Fault(500)] * 10_000)
    wait_for(lambda: hub.far.sockets.final_ms >= close_ms - DURATION_MS["1m"], "the late candle", PATIENCE_S)
    hub.far.socket_faults.late_ms = 0
    hub.far.faults.clear()

    def has_its_own_run() -> bool:
        ticks = {run["parameters"].get("tick") for run in hub.runs() if run["parameters"]["timeframe"] == "3m"}
        return len(ticks - {None}) > 0

    wait_for(has_its_own_run, "a run of its own", PATIENCE_S)
    wait_for(lambda: hub.lateness(SLOW, close_ms) is not None, "its trigger", PATIENCE_S)
    assert hub.lateness(SLOW, close_ms) is False, "it was judged before the next close of its timeframe"


def test_a_worker_killed(hub: WatchedHub) -> None:
    def is_running() -> bool:
        return any(run["state"]["type"] == "RUNNING" for run in hub.runs())

    wait_for(is_running, "a run under way", PATIENCE_S)
    os.kill(holder(hub.data, "worker") or 0, signal.SIGKILL)
    wait_for(hub.run_says("the worker that ran it was killed", state="Crashed"), "its end", PATIENCE_S)
    hub.wait_until_well()
    shown = hub.show()
    assert shown.status["prefect"]["failed_runs_24h"] >= 1
    assert "Crashed" in {one["state"] for one in shown.status["prefect"]["newest_failed"]}
    assert "runs failed in the last 24 h" in shown.screen
    assert int(shown.figures["Runs failed, 24 h"]) >= 1
    metrics = hub.metrics()
    assert metrics["hub_loop_restarts_total worker"] >= 1
    assert sum(value for name, value in metrics.items() if name.startswith("hub_failed_runs_total")) >= 1


def test_the_store_away(hub: WatchedHub) -> None:
    hub.process.send_signal(signal.SIGKILL)
    hub.process.wait()
    wait_for(hub.run_says("StoreUnreachable", state="Failed"), "a run that fails", PATIENCE_S)
    assert hub.metrics() == {}
    shown = hub.show()
    assert shown.status["health"] is None
    assert "StoreUnreachable" in json.dumps(shown.status["prefect"]["newest_failed"])
    assert "not running; start it: hub up" in shown.screen
    assert "The service is not running: `hub up` starts it." in shown.faults
    hub.rewrite(DAMAGED, DAMAGED.canonical)
    hub.up()
    hub.wait_until_well()
    wait_for(lambda: hub.metrics().get("hub_conditions_in_error") == 0, "the condition to be judged again", PATIENCE_S)
    shown = hub.show()
    assert shown.status["failing"] == []
    assert hub.metrics()["hub_failed_runs_total tick/1m"] >= 1


def test_nothing_is_lost_and_nothing_happened_twice(hub: WatchedHub) -> None:
    assert hub.folder.run("down").returncode == 0
    hub.process.wait(60)
    with FileStore(hub.data / "store", read_only=True) as store:
        triggers = store.triggers.after(0, 100_000)
        active_from_ms = {each.condition_id: each.active_from_ms for each in store.registry.conditions()}
    for condition in CONDITIONS:
        closes = triggers.filter(pl.col("condition_id") == condition.id)["close_time"].dt.epoch("ms").to_list()
        length_ms = DURATION_MS[condition.timeframe]
        first_ms = active_from_ms[condition.id] // length_ms * length_ms + length_ms
        assert sorted(closes) == list(range(first_ms, first_ms + len(closes) * length_ms, length_ms)), condition
        assert len(closes) > 0
    published = [entry.seq for entry in hub.log.log().read(0, 100_000)]
    assert published == sorted(triggers["seq"].to_list())
