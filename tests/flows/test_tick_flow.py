"""The Prefect flow on a real Prefect server: each test has its own process, as Prefect reads its settings on import."""

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest

from common.clock import ReplayClock
from flows.advance import advance
from flows.runtime import Runtime
from hub.prefect_server import PrefectServer
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from tests.events.log.memory_log import MemoryLog

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


FAILING = """
import asyncio, json, sys
from datetime import datetime, UTC
from pathlib import Path
from hub.prefect_server import PrefectServer
PrefectServer(Path(sys.argv[1])).start().use()
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.flow_engine import run_flow_async
from common.clock import ReplayClock
from flows.runtime import Runtime, use_runtime
from flows.tick import tick
from registry.store import open_store
from registry.store.remote.http_store import HttpStore
from tests.events.log.memory_log import MemoryLog
from tests.registry.store.serving import TOKEN, serving

async def main():
    clock, close = ReplayClock(1_722_816_000_000), datetime(2024, 8, 5, 12, tzinfo=UTC)
    with open_store(f"duckdb:{sys.argv[2]}/store", clock=clock) as store:
        with serving(store) as url:
            port, away = int(url.rpartition(":")[2]), HttpStore(url, token=TOKEN, patience_s=0.2)
        deployment_id = await (await tick.ato_deployment("1h", parameters={"timeframe": "1h"})).aapply()
        async with get_client() as client:
            first = await client.create_flow_run_from_deployment(deployment_id)
            with use_runtime(Runtime(away, MemoryLog(), clock)):
                parameters = {"timeframe": "1h", "tick": close}
                await run_flow_async(tick, flow_run=first, parameters=parameters, return_type="state")
                not_yet = len(store.runs.failures(10))
                chosen = DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id]))
                second, = [run for run in await client.read_flow_runs(deployment_filter=chosen) if run.id != first.id]
                with serving(store, port):
                    healed = await tick("1h", close, return_state=True)
            failed = await client.read_flow_run(first.id)
        failure, = store.runs.failures(10)
        print(json.dumps({
            "states": [failed.state.name, second.state.name, healed.name],
            "message": failed.state.message,
            "again_after_s": (second.expected_start_time - failed.end_time).total_seconds(),
            "run": failure.run_id == str(first.id),
            "recorded": [failure.deployment, failure.state, failure.message],
            "not_yet": not_yet,
            "failing": len(store.runs.failing()),
            "watermarks": store.ticks.watermarks("1h"),
        }))

asyncio.run(main())
"""

LATE = """
import asyncio, json, sys
from datetime import datetime, UTC
from pathlib import Path
from hub.prefect_server import PrefectServer
PrefectServer(Path(sys.argv[1])).start().use()
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.flow_engine import run_flow_async
from common.clock import ReplayClock
from common.timeframes import to_ms
from flows.late_candles import keep_judging_late_candles
from flows.runtime import Runtime, use_runtime
from flows.tick import tick
from registry.store import open_store
from tests.events.log.memory_log import MemoryLog

close = datetime(2024, 8, 5, 12, tzinfo=UTC)

class Ingest:
    told = [{"3d": to_ms(close)}, {"1h": to_ms(close)}]

    async def came_late(self):
        return self.told.pop(0) if self.told else await asyncio.Event().wait()

async def main():
    deployment_id = await (await tick.ato_deployment("1h", parameters={"timeframe": "1h"})).aapply()
    chosen = DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id]))
    async with get_client() as client:
        before = {run.id for run in await client.read_flow_runs(deployment_filter=chosen)}
        judging = asyncio.create_task(keep_judging_late_candles(client, Ingest()))
        while not (made := [r for r in await client.read_flow_runs(deployment_filter=chosen) if r.id not in before]):
            await asyncio.sleep(0.1)
        judging.cancel()
        clock = ReplayClock(to_ms(datetime(2024, 8, 5, 12, 59, tzinfo=UTC)))
        with open_store(f"duckdb:{sys.argv[2]}/store", clock=clock) as store:
            with use_runtime(Runtime(store, MemoryLog(), clock)):
                for run in made:
                    await run_flow_async(tick, flow_run=run, parameters=dict(run.parameters), return_type="state")
            print(json.dumps({
                "states": [(await client.read_flow_run(run.id)).state.name for run in made],
                "tick": [run.parameters["tick"] for run in made],
                "watermarks": store.ticks.watermarks("1h"),
            }))

asyncio.run(main())
"""

COLD = """
import asyncio, json, sys
from datetime import datetime, UTC
from pathlib import Path
from hub.prefect_server import PrefectServer
PrefectServer(Path(sys.argv[1])).start().use()
from flows.tick import tick
print(json.dumps(asyncio.run(tick("1h", datetime(2024, 8, 6, tzinfo=UTC)))))
"""


def python(program: str, *arguments: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", **environment},
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


def test_a_tick_that_fails_says_why_and_heals_by_itself(prefect: Path, filled: Path) -> None:
    done = python(FAILING, prefect, filled)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout.splitlines()[-1])
    assert shown["states"] == ["Failed", "Scheduled", "Completed"]
    assert 100 < shown["again_after_s"] < 140, "an hour later would be late"
    assert "StoreUnreachable: the store's owner at http://127.0.0.1:" in shown["message"]
    assert shown["not_yet"] == 0, "the store was away"
    deployment, state, message = shown["recorded"]
    assert (deployment, state, shown["run"]) == ("tick/1h", "Failed", True)
    assert message.startswith("StoreUnreachable: ")
    assert shown["failing"] == 0
    assert shown["watermarks"] == {"BINANCE:BTCUSDT 1h": START_MS + 12 * 3_600_000}


def test_late_candles_have_a_run_of_their_own(prefect: Path, filled: Path) -> None:
    done = python(LATE, prefect, filled)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout.splitlines()[-1])
    assert (shown["states"], shown["tick"]) == (["Completed"], ["2024-08-05T12:00:00+00:00"])
    assert shown["watermarks"] == {"BINANCE:BTCUSDT 1h": START_MS + 12 * 3_600_000}
    assert "late candles of 3d wait for the next close" in done.stderr, "it has no deployment, and stops nobody"


def test_a_process_for_one_run_judges_the_same(prefect: Path, filled: Path) -> None:
    shutil.copytree(filled / "store", filled / "cold" / "store")
    clock = ReplayClock(START_MS)
    with FileStore(filled / "store", clock=clock) as store:
        asyncio.run(advance(Runtime(store, MemoryLog(), clock), "1h", START_MS + 24 * 3_600_000))
        warm = store.triggers.after(0, 1_000)
    done = python(COLD, prefect, HUB_DATA_DIR=str(filled / "cold"), HUB_WITHOUT="ingest")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["ticks"] == 24
    with FileStore(filled / "cold" / "store") as store:
        cold = store.triggers.after(0, 1_000)
        assert store.ticks.watermarks("1h") == {"BINANCE:BTCUSDT 1h": START_MS + 24 * 3_600_000}
    late = ["emitted_at", "late"]
    assert cold.drop(late).equals(warm.drop(late))
    assert cold.height > 0


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
