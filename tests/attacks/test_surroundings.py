"""What surrounds a hub is not as it should be: somebody else's log, a clock that jumps, an old store, a disk that
cannot be written to. Each ends in a way that can be told from outside."""

import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from common.clock import ReplayClock
from registry.store.files.file_store import FileStore
from tests.api.served_hub import NOON_MS, RSI, Hub, few_candles, id_of, record_tick
from tests.attacks.hub_process import hub_process, run_hub
from tests.chaos.processes import EFFORT
from tests.chaos.servers import LogServer
from tests.waiting import wait_for

HOUR_MS = 3_600_000
TEXT = "BTCUSDT 1h: close > 1"
OLD_STORE = Path(__file__).parents[2].parent / "shared" / "data" / "old_store_2026-11-30.tar.gz"


def a_store(data: Path) -> None:
    with FileStore(data / "store") as store:
        store.candles.upsert(few_candles())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LogServer]:
    started = LogServer(tmp_path / "server")
    yield started
    started.stop()


def test_a_second_hub_on_one_redis_is_refused_and_the_first_goes_on(tmp_path: Path, server: LogServer) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for data in (first, second):
        a_store(data)
    with hub_process(first, REDIS_URL=server.url) as hub:
        with hub.client("ann") as ann:
            condition = ann.post("/conditions/register", json={"condition": TEXT}).json()["condition_id"]
        with hub.store() as store:
            record_tick(store, ReplayClock(NOON_MS), (condition,))
            wait_for(lambda: server.log().last_seq() == 1, "the first to publish")
        entries = server.log().read(0, 10)

        refused = run_hub(second, "up", REDIS_URL=server.url)
        assert refused.returncode == 1
        assert "holds the triggers of another store" in refused.stderr
        assert "REDIS_URL" in refused.stderr

        assert server.log().read(0, 10) == entries
        assert httpx.get(f"{hub.url}/health/ready").json()["status"] == "ok"
        with hub.store() as store:
            record_tick(store, ReplayClock(NOON_MS), (condition,))
            wait_for(lambda: server.log().last_seq() == 2, "the first to go on")


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS])
def test_a_clock_that_jumps_an_hour_changes_no_record(jump_ms: int, tmp_path: Path) -> None:
    with Hub(tmp_path, few_candles()) as hub:
        ann = hub.as_user("ann")
        body = {"bot_id": "b", "condition_id": id_of(TEXT), "bot_type": "dca", "bot_config": {}}
        assert ann.post("/conditions/register", json={"condition": TEXT}).status_code == 201
        assert ann.post("/conditions/subscribe", json=body).status_code == 201
        assert hub.fire(id_of(TEXT)) == [1]
        for number in range(3):
            # Back and forth; nobody waits for a clock to be right.
            hub.clock._now_ms += jump_ms if number % 2 == 0 else -jump_ms
            assert ann.post("/conditions/register", json={"condition": TEXT}).status_code == 200
            assert ann.post("/conditions/register", json=RSI | {"value": 40 + number}).status_code == 201
            assert ann.post("/conditions/subscribe", json=body).status_code == 200
            assert ann.post("/conditions/pause", json=_of(body)).status_code == 200
            assert ann.post("/conditions/resume", json=_of(body)).status_code == 200
            status = ann.get(f"/conditions/{id_of(TEXT)}/status").json()
            assert status["active"]
            # Judged by data time: the next candle is the next one, wherever the clock is.
            assert hub.fire(id_of(TEXT)) == [number + 2]
            assert ann.get(f"/conditions/{id_of(TEXT)}/explain").status_code == 200
            assert ann.post("/conditions/preview", json={"condition": TEXT}).status_code == 200
        triggers = ann.get("/triggers", params={"after_seq": 0}).json()["items"]
        closes = [each["close_time"] for each in triggers]
        assert closes == sorted(set(closes))
        assert [finding for finding in hub.store.check() if finding.problem is not None] == []


def _of(body: Mapping[str, object]) -> dict[str, object]:
    return {name: body[name] for name in ("bot_id", "condition_id")}


@pytest.mark.skipif(not OLD_STORE.exists(), reason="no store of an older version is at hand")
def test_a_store_of_an_older_version_is_upgraded_whole(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with tarfile.open(OLD_STORE) as archive:
        archive.extractall(data, filter="data")
    with hub_process(data) as hub:
        assert "were open to other users" in hub.log()
        with hub.store() as store:
            totals = store.registry.totals()
            assert (totals["conditions"], totals["subscriptions"], totals["users"]) == (9, 10, 2)
            assert store.triggers.after(0, 1_000)["seq"].to_list() == list(range(1, 176))
            # The upgrade has a number of its own, so that readers are told of it in order.
            assert store.triggers.last_seq() == 176
            assert [finding for finding in store.check() if finding.problem is not None] == []
            for user in {each.user_id for each in store.registry.subscription_changes(0, 100)}:
                for record in store.registry.subscription_records(user):
                    # The configuration goes where the subscription goes.
                    assert (record.bot_config is None) == (record.subscription.moved_to is not None)
        assert httpx.get(f"{hub.url}/health/ready").json()["status"] == "ok"


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A data folder with a store, on a file system that nobody can write to, if this user may mount one."""
    place = tmp_path / "mounted"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a file system")
    try:
        a_store(place / "data")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        yield place / "data"
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_read_only_disk_can_be_read_and_every_write_says_why_not(read_only: Path) -> None:
    up = run_hub(read_only, "up")
    assert up.returncode == 1
    assert up.stderr.startswith("error: ")
    assert "HUB_DATA_DIR to a writable folder" in up.stderr
    listed = run_hub(read_only, "candles", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert json.loads(listed.stdout)[0]["symbol"] == "BTCUSDT"
    if EFFORT == 1:
        return
    wrote = run_hub(read_only, "keys", "create", "ann")
    assert (wrote.returncode, "HUB_DATA_DIR" in wrote.stderr) == (1, True)
    doctor = run_hub(read_only, "doctor")
    assert doctor.returncode == 1
    assert "data folder" in doctor.stderr.splitlines()[-1]
