"""Two real workers and two real API services in folders of their own, on one Postgres, one event log and one Prefect
server."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import polars as pl
import pytest

from common.supervised import free_port
from registry.conditions import Condition
from registry.keys import new_key
from registry.shards import bucket_of
from registry.store import open_store
from registry.store.protocol import SharedStore, Store
from tests.chaos.processes import EFFORT
from tests.chaos.servers import LogServer
from tests.flows.hub_folder import PATIENCE_S, Folder
from tests.hub.machines import Reader, hub_up
from tests.postgres_server import postgres_server
from tests.waiting import wait_for

MINUTE = 60_000
SYMBOLS = [f"COIN{number}USDT" for number in range(8)]
SHARDS = 4


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def candles(first_ms: int, last_ms: int) -> pl.DataFrame:
    """A minute's candle of each symbol for every open time from the first to the last."""
    opens = range(first_ms, last_ms + 1, MINUTE)
    rows = [
        ("BINANCE", symbol, "1m", open_ms, *([100.0 + number] * 4), 1.0)
        for open_ms in opens
        for number, symbol in enumerate(SYMBOLS)
    ]
    names = ["exchange", "symbol", "timeframe", "open_time", "open", "high", "low", "close", "volume"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    return frame.with_columns(pl.from_epoch("open_time", time_unit="ms").dt.replace_time_zone("UTC"))


@contextmanager
def prefect_server(folder: Path, database: str) -> Iterator[dict[str, str]]:
    """A server for several workers, with a database in Postgres: SQLite's is locked too often when so many runs begin
    at once. Yields what its clients need in their environment."""
    port = free_port()
    folder.mkdir()
    server = {
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.replace("postgresql:", "postgresql+asyncpg:"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    login = {"PREFECT_API_AUTH_STRING": "hub:secret", "PREFECT_SERVER_API_AUTH_STRING": "hub:secret"}
    arguments = ["server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments], env={**os.environ, **server, **login}, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}/api"

    def answers() -> bool:
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
        return False

    try:
        wait_for(answers, "Prefect's server", PATIENCE_S)
        yield {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": "hub:secret"}
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.skipif(EFFORT == 1, reason="takes minutes: `make chaos`")
def test_what_a_killed_worker_had_is_judged_by_the_other_at_the_next_close(tmp_path: Path) -> None:
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        url, log = postgres.url_of(tmp_path), LogServer(tmp_path / "log")
        stack.callback(log.stop)
        prefect = stack.enter_context(prefect_server(tmp_path / "prefect", postgres.url_of(tmp_path / "runs")))
        store = stack.enter_context(open_store(url))
        assert isinstance(store, SharedStore)
        conditions = [Condition.parse(f"{symbol} 1m: every(close > 1)") for symbol in SYMBOLS]
        begun_ms = now_ms() // MINUTE * MINUTE
        store.candles.upsert(candles(begun_ms - 30 * MINUTE, begun_ms - MINUTE))
        settings = {"HUB_STORE_URL": url, "REDIS_URL": log.url, **prefect}
        folders = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            folders.append(Folder(tmp_path / name, {}, **settings))
            stack.callback(folders[-1].stop)
        services = [
            stack.enter_context(hub_up(tmp_path / name, folders[0].environment, "--role", "api")) for name in ("a", "b")
        ]
        key, text = new_key("ann", "user", "", begun_ms)
        store.accounts.add_key(key)
        users = [stack.enter_context(service.as_user(text)) for service in services]
        readers = [Reader(stack.enter_context(service.as_user(text))) for service in services]
        for number, condition in enumerate(conditions):
            at_one, at_other = users[number % 2], users[(number + 1) % 2]
            assert at_one.post("/conditions/register", json={"condition": condition.canonical}).status_code == 201
            wanted = {"bot_id": "bot", "condition_id": condition.id, "bot_type": "dca", "bot_config": {}}
            assert at_other.post("/conditions/subscribe", json=wanted).status_code == 201
        first_ms = (now_ms() // MINUTE + 1) * MINUTE
        done = folders[0].run("deploy", "--shards", str(SHARDS), "--json")
        assert done.returncode == 0, done.stderr
        changed = {(each["kind"], each["name"]): each["done"] for each in json.loads(done.stdout)}
        assert changed["shards", str(SHARDS)] == "created"
        assert {("deployment", f"tick/1m-{shard}") for shard in range(SHARDS)} <= changed.keys()
        layout = store.shards.newest_layout()
        assert layout is not None
        assert {layout.shard_of[bucket_of(condition.series)] for condition in conditions} == set(range(SHARDS))
        workers = [folder.start("worker", "--no-ingest") for folder in folders]
        for folder in folders:
            wait_for(lambda one=folder: one.said("worker", "Judging by"), "the workers", PATIENCE_S)  # type: ignore[misc]
        fed = begun_ms - MINUTE

        def feed() -> bool:
            """Store the candles that have closed since the last call."""
            nonlocal fed
            closed = (now_ms() - 1_000) // MINUTE * MINUTE - MINUTE
            if closed > fed:
                store.candles.upsert(candles(fed + MINUTE, closed))
                fed = closed
            return True

        def judged(close_ms: int) -> bool:
            return feed() and _judged(store) >= close_ms

        wait_for(lambda: judged(first_ms), "the first close", PATIENCE_S)
        both = "SELECT worker FROM registry.shard_leases"
        wait_for(lambda: feed() and len(set(_rows(url, both))) == 2, "both to have shards", PATIENCE_S)
        settled_ms = fed + 2 * MINUTE
        wait_for(lambda: judged(settled_ms), "a close on both", PATIENCE_S)
        workers[0].kill()
        workers[0].wait()
        last_ms = settled_ms + 3 * MINUTE
        wait_for(lambda: judged(last_ms), "what the killed worker had to be judged by the other", PATIENCE_S)
        assert folders[1].said("worker", "had a worker that is not heard of any more")
        triggers = store.triggers.after(0, 1_000_000)
        fired = triggers.group_by("condition_id").agg(pl.col("close_time").dt.epoch("ms").sort())
        for _, closes in fired.iter_rows():
            assert closes == list(range(closes[0], closes[-1] + 1, MINUTE)), "each close once"
            assert closes[0] <= first_ms
        assert fired.height == len(conditions)
        late = triggers.filter(pl.col("late") & (pl.col("close_time").dt.epoch("ms") > settled_ms + MINUTE))
        assert late.is_empty(), "the shards had another worker within a tick"
        wait_for(lambda: log.log().last_seq() == store.triggers.last_seq(), "all to be published")
        seqs = list(range(1, store.triggers.last_seq() + 1))
        wait_for(lambda: all(len(reader.seqs) >= len(seqs) for reader in readers), "all to be streamed")
        assert readers[0].seqs[: len(seqs)] == readers[1].seqs[: len(seqs)] == seqs


def _judged(store: Store) -> int:
    marks = store.ticks.watermarks("1m")
    return min(marks.values()) if len(marks) == len(SYMBOLS) else 0


def _rows(url: str, statement: str) -> list[object]:
    import psycopg

    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(statement).fetchall()]
