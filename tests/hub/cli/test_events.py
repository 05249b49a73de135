"""``hub events``, against a log of a running server."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

import app_cli
from common.clock import ReplayClock
from events.log.redis_log import RedisEventLog
from events.server import BundledServer
from registry.store.files.file_store import FileStore
from tests.events.consuming.consuming import Bots, consuming, settle
from tests.events.firing import Firing, known_conditions, subscribe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def condition_id(folder: Path) -> Any:
    """A condition that fired three times, whose bot `bad` refuses all of it; the server runs."""
    server = BundledServer(folder / "events").start()
    client = server.connect()
    log = RedisEventLog(client)
    with FileStore(folder / "store") as store:
        (known,) = known_conditions(store, 1)
        subscribe(store, known, "bad", "good")
        firing = Firing(store, log)
        bots = Bots(lambda delivery: delivery.subscription.bot_id == "bad")
        with consuming(store, log, folder / "ledger", bots, ReplayClock(0), retry_after_s=()) as consumer:
            for _ in range(3):
                firing.publish([known])
            settle(consumer)
    yield known
    client.close()
    server.stop()


@pytest.fixture(autouse=True)
def settings(folder: Path, condition_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DATA_DIR", str(folder))


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert app_cli.run(["events", *words]) == code
    shown = capsys.readouterr()
    return shown.out if code == 0 else shown.err


def test_tail_shows_events(capsys: pytest.CaptureFixture[str], condition_id: str) -> None:
    lines = run(capsys, "tail").splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert all("BINANCE:BTCUSDT 1h" in line and condition_id in line for line in lines)
    shown = [json.loads(line) for line in run(capsys, "tail", "--after", "1", "--json").splitlines()]
    assert [event["seq"] for event in shown] == [2, 3]
    assert run(capsys, "tail", "--condition", "another") == ""


def test_lag_says_how_far_everybody_is(capsys: pytest.CaptureFixture[str]) -> None:
    reading = json.loads(run(capsys, "lag", "--json"))
    assert (reading["stored_seq"], reading["published_seq"], reading["lag"], reading["events"]) == (3, 3, 0, 3)
    (consumer,) = reading["consumers"]
    assert (consumer["consumer"], consumer["applied_seq"], consumer["lag"], consumer["pending"]) == ("bots", 3, 0, 0)
    assert "3 triggers stored, 3 published, 0 to publish" in run(capsys, "lag")


def test_dead_letters_are_listed_tried_again_and_dropped(
    capsys: pytest.CaptureFixture[str], condition_id: str, folder: Path
) -> None:
    first, second, _ = json.loads(run(capsys, "dead", "list", "--json"))
    assert (first["consumer"], first["bot_id"], first["attempts"]) == ("bots", "bad", "1")
    assert first["reason"].startswith("ValueError at")
    shown = run(capsys, "dead", "list", "bots")
    assert first["id"] in shown
    assert f"{condition_id}:3600000" in shown
    run(capsys, "dead", "retry", "bots", first["id"], second["id"])
    assert json.loads(run(capsys, "dead", "drop", "bots", "--all", "--json"))["letters"] == 1
    assert json.loads(run(capsys, "dead", "list", "--json")) == []
    bots = Bots()
    server = BundledServer(folder / "events")
    client = server.connect()
    with (
        FileStore(folder / "store") as store,
        consuming(store, RedisEventLog(client), folder / "ledger", bots, ReplayClock(0)) as consumer,
    ):
        settle(consumer)
    client.close()
    assert bots.got == [(1, "bad"), (2, "bad")]


def test_a_consumer_is_forgotten_and_comes_back_where_it_was(
    capsys: pytest.CaptureFixture[str], folder: Path, condition_id: str
) -> None:
    bots = Bots(lambda _: True)
    client = BundledServer(folder / "events").connect()
    for _ in range(2):
        with (
            FileStore(folder / "store") as store,
            consuming(
                store,
                RedisEventLog(client),
                folder / "gone.ledger",
                bots,
                ReplayClock(0),
                name="gone",
                retry_after_s=(),
            ) as consumer,
        ):
            settle(consumer)
        assert len(bots.attempts) == 6, "three triggers for two bots, and none of them again"
        assert json.loads(run(capsys, "forget", "gone", "--json"))["letters"] == 6
        assert "gone" not in run(capsys, "lag") + run(capsys, "dead", "list")
        assert "no consumer 'gone' has read the log; known consumers: bots" in run(capsys, "forget", "gone", code=1)
    client.close()


def test_what_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no dead letter '7-0'; see: hub events dead list bots" in run(
        capsys, "dead", "drop", "bots", "7-0", code=1
    )
    assert "their ids, or --all" in run(capsys, "dead", "retry", "bots", code=1)


def test_a_log_that_does_not_run_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path))
    assert "start it with `hub up`" in run(capsys, "tail", code=1)
    assert not (tmp_path / "events").exists(), "looking makes nothing"


def test_following_goes_on_with_what_comes(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = BundledServer(folder / "events").connect()
    real = RedisEventLog.read
    rounds = threading.Semaphore(3)

    def read(log: RedisEventLog, after_seq: int, limit: int, *, wait_ms: int = 0) -> Any:
        if not rounds.acquire(blocking=False):
            raise KeyboardInterrupt
        return real(log, after_seq, limit, wait_ms=min(wait_ms, 20))

    monkeypatch.setattr(RedisEventLog, "read", read)
    assert app_cli.run(["events", "tail", "--follow", "--json"]) == 130
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 3
    assert shown.err == "stopped\n"
    client.close()
