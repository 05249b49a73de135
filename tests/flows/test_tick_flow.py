"""The Prefect flow on a real Prefect server: each test has its own process, as Prefect reads its settings on import."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest

from common.clock import ReplayClock
from hub.prefect_server import PrefectServer
from registry.conditions import Condition
from registry.store.files.file_store import FileStore

ROOT = Path(__file__).resolve().parents[2]
START_MS = 1_722_816_000_000
"""2024-08-05 00:00 UTC."""


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a running Prefect server."""
    folder = tmp_path_factory.mktemp("prefect")
    server = PrefectServer(folder).start()
    yield folder
    server.stop()


@pytest.fixture
def filled(tmp_path: Path, sample: pl.DataFrame) -> Path:
    """A store with hourly candles and one condition, closed again."""
    with FileStore(tmp_path / "store", clock=ReplayClock(START_MS)) as store:
        store.candles.upsert(sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h")))
        store.registry.register([Condition.parse("BTCUSDT 1h: close crosses_below sma(3)")], active_from_ms=START_MS)
    return tmp_path


RUN = """
import asyncio, json, sys
from datetime import datetime, UTC
from pathlib import Path
from hub.prefect_server import PrefectServer
prefect, data = Path(sys.argv[1]), Path(sys.argv[2])
server = PrefectServer(prefect).start()
server.use()
from prefect.client.orchestration import get_client
from events.log.redis_log import RedisEventLog
from events.server import BundledServer
from flows.runtime import Runtime, use_runtime
from flows.tick import tick
from common.clock import ReplayClock
from registry.store import open_store

async def main():
    clock = ReplayClock(1_722_816_000_000)
    events = BundledServer(data / "events").start()
    with open_store(f"duckdb:{data / 'store'}", clock=clock) as store, use_runtime(
        Runtime(store, RedisEventLog(events.connect()), clock)
    ):
        answers = [
            await tick("60m", datetime(2024, 8, 5, 12, 34, tzinfo=UTC)),
            await tick("1h", datetime(2024, 8, 5, 12, tzinfo=UTC)),
            await tick("1h", datetime(2024, 8, 6, tzinfo=UTC)),
        ]
        runs = store.ticks.runs()
        async with get_client() as client:
            known = {str(run.id): run.state.type.value for run in await client.read_flow_runs()}
        print(json.dumps({
            "answers": answers,
            "states": [known.get(run) for run in runs["run_id"]],
            "watermarks": store.ticks.watermarks("1h"),
            "triggers": store.triggers.last_seq(),
            "events": RedisEventLog(events.connect()).length(),
        }))
    events.stop()

asyncio.run(main())
"""

SCHEDULED = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from hub.prefect_server import PrefectServer
server = PrefectServer(Path(sys.argv[1])).start()
server.use()
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import StateType
from prefect.schedules import Cron
from flows.tick import tick
from tests.waiting import wait_for

async def deploy() -> UUID:
    deployment = await tick.ato_deployment(
        "1m", schedule=Cron("* * * * *", timezone="UTC"), parameters={"timeframe": "1m"}
    )
    return await deployment.aapply()

chosen = DeploymentFilter(id=DeploymentFilterId(any_=[asyncio.run(deploy())]))
with get_client(sync_client=True) as client:
    wait_for(lambda: client.read_flow_runs(deployment_filter=chosen), "a scheduled run", patience_s=90)
    runs = client.read_flow_runs(deployment_filter=chosen)
assert {run.state.type for run in runs} == {StateType.SCHEDULED}, runs
assert {run.expected_start_time.second for run in runs} == {0}, runs
print(len(runs))
"""


def python(program: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        timeout=240,
        check=False,
    )


def test_flow_runs_judge_record_and_publish(prefect: Path, filled: Path) -> None:
    done = python(RUN, prefect, filled)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout.splitlines()[-1])
    assert [answer["ticks"] for answer in shown["answers"]] == [12, 0, 12]
    assert shown["answers"][0]["tick"] == "2024-08-05 12:34", "and judges what had ended by then"
    assert shown["states"] == ["COMPLETED", "COMPLETED"], "runs that advanced are real flow runs of the server"
    assert shown["watermarks"] == {"BINANCE:BTCUSDT 1h": START_MS + 24 * 3_600_000}
    assert shown["triggers"] == shown["events"] > 0


def test_a_scheduled_run_appears(prefect: Path) -> None:
    """With the fastapi or sqlalchemy that a plain install picks, deployments look ready and this never happens."""
    done = python(SCHEDULED, prefect)
    assert done.returncode == 0, done.stderr + done.stdout
    assert int(done.stdout.splitlines()[-1]) >= 3


def test_the_server_answers_who_knows_its_login_alone(prefect: Path) -> None:
    login = prefect / "prefect.login"
    assert stat.S_IMODE(login.stat().st_mode) == 0o600
    name, password = login.read_text().split(":")
    own = f"http://127.0.0.1:{(prefect / 'prefect.port').read_text()}"
    flows = f"{own}/api/flows/filter"
    with httpx.Client(timeout=30) as client:
        assert client.post(flows, json={}).status_code == 401
        assert client.post(flows, json={}, auth=(name, "wrong")).status_code == 401
        for origin, allowed in (("http://evil.example", None), ("http://127.0.0.1:1", None), (own, own)):
            answer = client.post(flows, json={}, auth=(name, password), headers={"Origin": origin})
            assert answer.status_code == 200
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
    assert password not in (prefect / "prefect.log").read_text()


def test_the_server_is_adopted_and_stopped(prefect: Path) -> None:
    again = PrefectServer(prefect).start()
    assert again._supervised is not None
    first = PrefectServer(prefect).start()
    assert first._supervised is not None
    assert again._supervised.pid == first._supervised.pid is not None
