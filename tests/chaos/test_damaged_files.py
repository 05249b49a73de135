"""F14 to F16: an older backup, damaged files, a full disk."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from events.log.payload import Event
from tests.chaos import roles, scene
from tests.chaos.hub import Hub
from tests.chaos.processes import EFFORT
from tests.chaos.scene import Trigger, latecomers

NewHub = Callable[..., Hub]


@pytest.mark.parametrize("ticks", range(5, 5 + 10 * min(EFFORT, 5), 10))
def test_an_older_backup_takes_back_what_the_stream_knows(ticks: int, new_hub: NewHub) -> None:
    """F14: an older backup is restored; a condition that it does not know has fired since."""
    hub = new_hub()
    hub.evaluate(ticks).finish()
    hub.back_up()
    later = ticks + hub.dice.randrange(5, 20)
    hub.evaluate(later, latecomer=ticks).finish()
    hub.restore()
    hub.evaluate(later + 20).finish()
    rest = hub.rest()
    rest.check(later + 20, also=latecomers(ticks, later), restored=True)
    assert not rest.gaps


@pytest.mark.parametrize("kept", [0, 20])
def test_an_older_backup_uses_no_number_again_that_the_stream_has_forgotten(kept: int, new_hub: NewHub) -> None:
    """F14: the same with a stream that was trimmed beyond the backup: the floor is raised."""
    hub = new_hub()
    hub.evaluate(10).finish()
    hub.back_up()
    hub.evaluate(30, latecomer=10).finish()
    client = hub.server.client()
    client.xtrim("triggers", maxlen=kept, approximate=False)
    late = scene.latecomer().id
    left = [entry.event for entry in hub.server.log().read(0, 1_000) if entry.condition_id == late]
    hub.restore()
    hub.evaluate(50).finish()
    rest = hub.rest()
    rest.check(50, also=[Trigger(event.condition_id, event.close_time) for event in left], restored=True)
    assert rest.gaps


DAMAGES = 6 * EFFORT


def test_damaged_write_ahead_logs_open_or_say_so(new_hub: NewHub, tmp_path: Path) -> None:
    """F15: cut ends and flipped bits of the write-ahead log."""
    hub = new_hub()
    name = "after_commit"
    assert not hub.crash_or_finish(name, hub.evaluate(40, failpoint=f"{name}:30"))
    wal = hub.store / "registry.duckdb.wal"
    size = wal.stat().st_size
    events = tmp_path / "events.json"
    events.write_bytes(msgspec.json.encode([entry.event for entry in hub.server.log().read(0, 10_000)]))
    assert msgspec.json.decode(events.read_bytes(), type=list[Event])
    owner = hub.server.log().owner()
    assert owner is not None
    refused = 0
    for number in range(DAMAGES):
        store = tmp_path / f"damaged{number}"
        shutil.copytree(hub.store, store)
        if number % 2:
            os.truncate(store / wal.name, size - 1 - number // 2 if number < 80 else hub.dice.randrange(size))
            hub.faults["write-ahead log cut"] += 1
        else:
            _flip(store / wal.name, hub.dice.randrange(size), hub.dice.randrange(8))
            hub.faults["bit of a write-ahead log flipped"] += 1
        code = hub.start(roles.recover, store=store, events=events, owner=owner, ticks=40).wait()
        assert code in (0, roles.REFUSED), f"damage {number} ended with {code}"
        refused += code == roles.REFUSED
        shutil.rmtree(store)
    assert refused < DAMAGES


def _flip(path: Path, place: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ (1 << bit)]))


def test_a_full_disk_records_all_of_a_tick_or_nothing(new_hub: NewHub) -> None:
    """F16: files may not grow any more."""
    hub = new_hub()
    hub.evaluate(5).finish()
    for _ in range(3 * EFFORT):
        # The write-ahead log starts afresh with each owner, and grows by a few thousand bytes per tick.
        if hub.evaluate(60, file_limit=hub.dice.randrange(3_000, 60_000)).wait() != 0:
            hub.faults["no space left in a file"] += 1
        rest = hub.rest()
        rest.check_seq()
        rest.check_stream(1)
    assert hub.faults
    hub.evaluate(60).finish()
    hub.rest().check(60)


def test_a_full_file_system_records_all_of_a_tick_or_nothing(new_hub: NewHub, small_disk: Path) -> None:
    """F16: a file system without a free block, where the user may mount one."""
    hub = new_hub()
    hub.move_store(small_disk / "store")
    hub.evaluate(5).finish()
    ballast = small_disk / "ballast"
    for left in range(0, 3 * EFFORT):
        with ballast.open("wb") as file:
            free = os.statvfs(small_disk)
            file.write(bytes(max(0, free.f_bavail * free.f_frsize - left * 16_384)))
        if hub.evaluate(30).wait() != 0:
            hub.faults["no space left on the disk"] += 1
        ballast.unlink()
        rest = hub.rest()
        rest.check_seq()
        rest.check_stream(1)
    assert hub.faults
    hub.evaluate(30).finish()
    hub.rest().check(30)


def test_a_store_does_not_take_the_log_of_another(new_hub: NewHub, tmp_path: Path) -> None:
    """F14: the log of another store is left alone."""
    hub = new_hub()
    hub.evaluate(5).finish()
    other = tmp_path / "other"
    scene.make_store(other)
    before = hub.server.log().read(0, 1_000)
    assert before
    assert hub.start(roles.evaluate, store=other, url=hub.server.url, ticks=5).wait() == 1
    assert hub.server.log().read(0, 1_000) == before
