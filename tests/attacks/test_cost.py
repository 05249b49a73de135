"""Conditions that are dear to judge: an answer costs what it needs, and dear ones of one user hold up nobody else.

The service is a real process over 700,000 candles, as two years of one minute are. It must not take more memory than it
says, however much a condition unfolds to, and answers are what a scan of the history says.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from analysis.explain import explain
from analysis.scan import scan
from candles.epochs import Epochs
from registry.conditions import Condition
from registry.keys import new_key
from registry.store.files.file_store import FileStore
from tests.chaos.processes import EFFORT
from tests.engine.random_conditions import Conditions
from tests.engine.slow_oracle import Oracle
from tests.waiting import wait_for

HUB = Path(sys.executable).parent / "hub"
MINUTE_MS = 60_000
CANDLES = 700_000
SOME = 20_000
"""Candles of the other instrument, for what takes many requests."""
FIRST_MS = 1_672_531_200_000
END_MS = FIRST_MS + CANDLES * MINUTE_MS
NEVER = "close rises_by {percent}% within 500 bars"
MOST_MEMORY = 1 << 30
"""Of one process with all libraries; what it unfolds to would be 10 GB for each of these conditions."""
ADDRESS_SPACE = 6 << 30
"""A process that wants more than this gets an error instead of the machine's memory."""


@dataclass(frozen=True)
class Served:
    """The running hub."""

    url: str
    keys: dict[str, str]
    pid: int

    def as_user(self, name: str) -> httpx.Client:
        """A client with a user's key."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.keys[name]}"}, timeout=120)

    def peak_bytes(self) -> int:
        """The most memory that the process has had."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


def minutes(symbol: str, count: int) -> pl.DataFrame:
    """A random walk of so many minutes."""
    dice = np.random.default_rng(14)
    close = 20_000 * np.exp(np.cumsum(dice.normal(0, 5e-4, count)))
    opened = np.concatenate([[20_000.0], close[:-1]])
    return pl.DataFrame(
        {
            "exchange": "BINANCE",
            "symbol": symbol,
            "timeframe": "1m",
            "open_time": END_MS - MINUTE_MS * np.arange(count, 0, -1),
            "open": opened,
            "high": np.maximum(opened, close) * 1.0001,
            "low": np.minimum(opened, close) * 0.9999,
            "close": close,
            "volume": dice.random(count),
        }
    ).with_columns(pl.from_epoch("open_time", "ms").cast(pl.Datetime("ms", "UTC")))


@pytest.fixture(scope="module")
def candles() -> pl.DataFrame:
    return minutes("BTCUSDT", CANDLES)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, candles: pl.DataFrame) -> Iterator[Served]:
    """`hub up` over a store with the candles, and the keys of two users and an operator."""
    folder = tmp_path_factory.mktemp("cost")
    keys = {}
    with FileStore(folder / "store") as store:
        store.candles.upsert(pl.concat([candles, minutes("ETHUSDT", SOME)]))
        for name in ("ann", "bob", "op"):
            key, keys[name] = new_key(name, "operator" if name == "op" else "user", "test", FIRST_MS)
            store.accounts.add_key(key)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "REDIS_URL"))}
    settings = {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "HUB_DATA_DIR": str(folder),
        "HUB_API_PORT": "0",
        "HUB_WITHOUT": "worker,bots,dashboard",
        # Few are enough to see that there is an end.
        "HUB_ON_DEMAND_WAITING_PER_USER": "10",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["prlimit", f"--as={ADDRESS_SPACE}", HUB, "up"],
            stdout=log,
            stderr=log,
            cwd=folder,
            env=kept | settings,
        )

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
        return b"Condition Hub serves" in (folder / "log").read_bytes()

    wait_for(answers, "the service to answer", 120)
    url = json.loads((folder / "service.json").read_text(encoding="utf-8"))["url"]
    yield Served(url, keys, process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def registered(client: httpx.Client, text: str, symbol: str = "BTCUSDT") -> str:
    """The id of a condition on the candles, registered."""
    answer = client.post("/conditions/register", json={"condition": f"{symbol} 1m: {text}"})
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["condition_id"])


def subscribe(client: httpx.Client, condition_id: str) -> httpx.Response:
    """A bot's subscription."""
    return client.post("/conditions/subscribe", json={"bot_id": "bot", "condition_id": condition_id, "bot_type": "dca"})


def test_an_answer_about_one_candle_takes_little_memory(served: Served, candles: pl.DataFrame) -> None:
    texts = [NEVER.format(percent=2), "(rsi(14) < 70 and close falls_by 1% within 200 bars) within 300 bars"]
    for text in texts:
        with served.as_user("ann") as ann:
            condition = registered(ann, text)
            answer = ann.get(f"/conditions/{condition}/explain")
            assert answer.status_code == 200, answer.text
            shown = answer.json()
            assert (shown["close_time"], shown["freshness"][0]["candles"]) == (END_MS, CANDLES)
            now = subscribe(ann, condition).json()["now"]
            assert (now["truth"], now["close_time"]) == (shown["truth"], END_MS)
            # After 3,000 candles, where they began makes no difference that could change these truths.
            recent = scan([f"BTCUSDT 1m: {text}"], candles.tail(5_000))["open_time"].dt.epoch("ms")
            for opened in recent.filter(recent > END_MS - 2_000 * MINUTE_MS).to_list()[-1:]:
                at = ann.get(f"/conditions/{condition}/explain", params={"at": opened + MINUTE_MS}).json()
                assert (at["open_time"], at["fires"]) == (opened, True)
            assert now["since"] is None or now["since"] <= END_MS
    assert served.peak_bytes() < MOST_MEMORY


def test_a_preview_takes_little_memory_and_has_a_limit(served: Served) -> None:
    with served.as_user("ann") as ann:
        text = f"BTCUSDT 1m: {NEVER.format(percent=4)}"
        span = {"start": END_MS - 20_000 * MINUTE_MS, "end": END_MS}
        shown = ann.post("/conditions/preview", json={"condition": text, **span})
        assert (shown.status_code, shown.json()["candles"]) == (200, 20_000)
        dear = "any(" + ", ".join(f"{price} rises_by 1% within 499 bars" for price in ("open", "close", "high")) + ")"
        refused = ann.post("/conditions/preview", json={"condition": f"BTCUSDT 1m: {dear}"})
        assert refused.status_code == 422, refused.text
        assert refused.json()["type"].endswith(":too-much-work")
        assert "ask for a span of at most" in refused.json()["detail"]
        shorter = ann.post("/conditions/preview", json={"condition": f"BTCUSDT 1m: {dear}", **span})
        assert shorter.status_code == 200
    assert served.peak_bytes() < MOST_MEMORY


def test_dear_requests_of_one_user_hold_up_nobody_else(served: Served) -> None:
    with served.as_user("ann") as ann, served.as_user("bob") as bob, served.as_user("op") as operator:
        cheap, plain = (registered(bob, text, "ETHUSDT") for text in ("close > 1", "rsi(14) < 30"))
        dear = [registered(ann, NEVER.format(percent=10 + number), "ETHUSDT") for number in range(9)]
        done: list[int] = []

        def preview(number: int) -> int:
            answer = ann.post("/conditions/preview", json={"condition": f"ETHUSDT 1m: {NEVER.format(percent=number)}"})
            done.append(number)
            return answer.status_code

        with ThreadPoolExecutor(len(dear)) as pool:
            previews = [pool.submit(preview, 10 + number) for number in range(len(dear))]
            wait_for(lambda: bool(done), "the first of them", 60)
            assert bob.get(f"/conditions/{cheap}/explain").status_code == 200
            assert subscribe(bob, plain).status_code == 201
            assert bob.get(f"/conditions/{plain}/status").status_code == 200
            assert operator.get("/metrics").status_code == 200
            left = len(dear) - len(done)
            assert [each.result() for each in previews] == [200] * len(dear)
        # Behind all of ann's, bob's would have been answered last.
        assert left >= 2, f"only {left} of ann's {len(dear)} previews were left when bob had been answered"


def test_a_queue_has_an_end_that_is_said(served: Served) -> None:
    with served.as_user("ann") as ann, served.as_user("bob") as bob:
        plain = registered(bob, "close > 2", "ETHUSDT")
        body = {"condition": f"ETHUSDT 1m: {NEVER.format(percent=50)}", "start": END_MS - 5_000 * MINUTE_MS}

        def preview(_: int) -> httpx.Response:
            return ann.post("/conditions/preview", json=body)

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(preview, range(16)))
        refused = [answer for answer in answers if answer.status_code != 200]
        assert [answer.status_code for answer in refused] == [429] * len(refused)
        # One runs and ten wait; one or two may have ended before the last one came.
        assert 2 <= len(refused) <= 5
        assert all(answer.json()["type"].endswith(":too-many-waiting") for answer in refused)
        assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)
        assert bob.get(f"/conditions/{plain}/explain").status_code == 200


def test_random_conditions_are_explained_as_a_scan_judges_them(candles: pl.DataFrame, tmp_path: Path) -> None:
    history = candles.head(CANDLES if EFFORT > 1 else 50_000)
    tail_ms = int(history["open_time"].dt.epoch("ms")[-200])
    dice = random.Random(14)
    conditions = _random_conditions(dice, history.tail(400), 12 * EFFORT)
    fired = scan(conditions, history)
    with FileStore(tmp_path / "store") as store:
        store.candles.upsert(history)
        shown = 0
        for condition in conditions:
            mine = set(fired.filter(pl.col("condition_id") == condition.id)["open_time"].dt.epoch("ms").to_list())
            late = sorted(opened for opened in mine if opened >= tail_ms)[-1:]
            for opened in {*late, int(history["open_time"].dt.epoch("ms")[-1])}:
                histories = Epochs(store).up_to(condition, opened + MINUTE_MS)
                explanation = explain(condition, histories, at_ms=opened + MINUTE_MS)
                assert explanation.open_time == opened
                assert explanation.fires == (opened in mine), str(condition)
                shown += explanation.fires
        assert shown >= 3


def _random_conditions(dice: random.Random, recent: pl.DataFrame, count: int) -> list[Condition]:
    """Conditions whose constants are values of the newest candles."""
    series = Condition.parse("BTCUSDT 1m: close > 1").series
    return Conditions(dice, Oracle({series: recent}, {}), [series]).some(count, [series])
