"""Deploying brings a server there from whatever it has, says what it did, and does nothing the second time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.deployment_file import PLACE, text
from tests.chaos.processes import EFFORT

DEPLOY_AGAIN = """
import asyncio, json, sys
from dataclasses import astuple
from pathlib import Path
from hub.prefect_server import PrefectServer

server = PrefectServer(Path(sys.argv[1]) / "prefect").start()
server.use()
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from common.grids import Grid
from flows.deployments import deploy

async def main():
    answers = []
    singapore = Grid.parse("Asia/Singapore")
    async with get_client() as client:
        for grids, url, dashboard in (
            ((), None, "http://one"),
            ((), None, "http://one"),
            ((singapore,), "http://127.0.0.1:1/a", "http://two"),
            ((singapore,), "http://127.0.0.1:1/b", "http://two"),
            ((singapore,), "http://127.0.0.1:1/b", "http://two"),
            ((), None, "http://two"),
        ):
            changes = await deploy(client, grids, alert_url=url, dashboard_url=dashboard)
            answers.append([astuple(change) for change in changes])
    print(json.dumps(answers))

try:
    asyncio.run(main())
finally:
    server.stop()
"""

BY_FILE = """
import asyncio, json, subprocess, sys
from pathlib import Path
from hub.prefect_server import PrefectServer

server = PrefectServer(Path(sys.argv[1]) / "prefect").start()
server.use()
from prefect.client.orchestration import get_client
from flows.deployments import deployments, described, pools

async def main():
    async with get_client() as client:
        for pool in pools():
            await client.create_work_pool(pool)
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
        subprocess.run(command, check=True, stdout=sys.stderr)
        planned = await deployments()
        for deployment in planned:
            assert described(await client.read_deployment_by_name(deployment.full_name)) == described(deployment)
        print(len(planned))

try:
    asyncio.run(main())
finally:
    server.stop()
"""


def python(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        capture_output=True,
        text=True,
        cwd=PLACE.parent,
        env={**os.environ, "NO_COLOR": "1"},
        timeout=400,
        check=False,
    )


def test_deploying_says_what_changed(tmp_path: Path) -> None:
    done = python(DEPLOY_AGAIN, tmp_path)
    assert done.returncode == 0, done.stderr
    first, again, more, other, same, fewer = json.loads(done.stdout.splitlines()[-1])
    assert {what for _, _, what in first} == {"created"}
    assert {name for kind, name, _ in first if kind == "deployment"} >= {"tick/1m", "tick/1mo", "audit/nightly"}
    assert {name for kind, name, _ in first if kind == "pool"} == {"ticks", "batch"}
    assert {what for _, _, what in again} == {"unchanged"}
    changed = {name: what for _, name, what in more if what != "unchanged"}
    assert changed.pop("Condition Hub: failed runs") == "created"
    assert set(changed.values()) == {"changed"}
    # Days in Singapore begin at 16:00 UTC, minutes and hours when they do everywhere.
    assert {"dashboard", "tick/1d"} <= changed.keys()
    assert not {"tick/1m", "tick/1h", "audit/nightly"} & changed.keys()
    assert [name for _, name, what in other if what != "unchanged"] == ["Condition Hub: failed runs"]
    assert {what for _, _, what in same} == {"unchanged"}
    assert ["automation", "Condition Hub: failed runs", "removed"] in fewer
    assert ["deployment", "tick/1d", "changed"] in fewer


def test_the_file_has_the_deployments_of_the_code() -> None:
    assert PLACE.read_text(encoding="utf-8") == text(), "write it anew: python -m flows.deployment_file"


@pytest.mark.skipif(EFFORT == 1, reason="takes a minute: `make chaos`")
def test_the_file_makes_the_deployments_of_the_code(tmp_path: Path) -> None:
    done = python(BY_FILE, tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) == 17
