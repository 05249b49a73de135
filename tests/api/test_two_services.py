"""Two API processes on one store in Postgres: what one is told, the other answers."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest

from api.app import create_app
from api.service import Service
from common.clock import ReplayClock
from common.settings import load_settings
from registry.keys import new_key
from registry.store import open_store
from tests.api.served_hub import CONFIG, NOON_MS, RSI
from tests.events.log.memory_log import MemoryLog
from tests.postgres_server import PostgresServer, postgres_server


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


async def test_each_answers_what_the_other_was_told(
    postgres: PostgresServer, tmp_path: Path, sample: pl.DataFrame
) -> None:
    url, clock, log = postgres.url_of(tmp_path), ReplayClock(NOON_MS), MemoryLog()
    with open_store(url, clock=clock) as first, open_store(url, clock=clock) as second:
        first.candles.upsert(sample.filter(pl.col("timeframe") == "1h"))
        key, text = new_key("ann", "user", "", NOON_MS)
        first.accounts.add_key(key)
        clients = [
            httpx.AsyncClient(
                transport=httpx.ASGITransport(
                    create_app(Service(store, load_settings(data_dir=tmp_path / name), log, clock))
                ),
                base_url="http://hub",
                headers={"Authorization": f"Bearer {text}"},
            )
            for name, store in (("one", first), ("two", second))
        ]
        one, other = clients
        registered = await one.post("/conditions/register", json=RSI)
        assert registered.status_code == 201, registered.text
        assert (await other.post("/conditions/register", json=RSI)).status_code == 200
        condition_id = registered.json()["condition_id"]
        wanted = {"bot_id": "b", "condition_id": condition_id, "bot_type": "dca", "bot_config": CONFIG}
        subscribed = await other.post("/conditions/subscribe", json=wanted)
        assert subscribed.status_code == 201, subscribed.text
        mine = [(await client.get("/conditions/user/subscriptions")).json() for client in clients]
        assert mine[0] == mine[1]
        assert condition_id in str(mine[0])
        first.accounts.revoke_key(key.key_id, at_ms=NOON_MS)
        assert (await other.get("/conditions/user/subscriptions")).status_code == 401
        for client in clients:
            await client.aclose()
