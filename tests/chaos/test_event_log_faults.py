"""F7 to F11: whatever happens to the log's server, the stream ends up equal to the record, and judging goes on."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.hub import Hub
from tests.chaos.processes import EFFORT
from tests.chaos.storm import (
    Fault,
    Storm,
    cut_server,
    flush_server,
    kill_evaluator,
    kill_server,
    pause_evaluator,
    pause_server,
    squeeze_server,
    wipe_server,
)
from tests.events.servers import binaries
from tests.waiting import wait_for

TICKS = min(60 * EFFORT, 240)
FAULTS = 4 * EFFORT

STORMS: dict[str, tuple[Fault, ...]] = {
    "killed": (kill_server, kill_evaluator),
    "cut": (cut_server, cut_server, kill_evaluator),
    "wiped": (wipe_server, flush_server, kill_evaluator),
    "everything": (kill_server, cut_server, wipe_server, flush_server, pause_server, squeeze_server, pause_evaluator),
}


@pytest.mark.parametrize("kind", binaries())
@pytest.mark.parametrize("name", STORMS)
def test_the_stream_ends_as_the_record(name: str, kind: str, new_hub: Callable[..., Hub]) -> None:
    """F7 to F11: the server is killed, cut, wiped, paused, squeezed; so is the evaluator."""
    hub = new_hub(kind=kind)
    Storm(hub, TICKS).run(STORMS[name], FAULTS)
    hub.rest().check(TICKS)


def test_a_server_without_a_file_is_filled_again(new_hub: Callable[..., Hub]) -> None:
    """F9: a server that keeps nothing on disk is killed."""
    hub = new_hub(persistent=False)
    Storm(hub, TICKS).run([kill_server], FAULTS)
    hub.rest().check(TICKS)


@pytest.mark.parametrize("step", ["after_read_last", "before_publish"])
def test_a_log_that_gets_shorter_under_a_publisher_has_no_hole(
    step: str, new_hub: Callable[..., Hub], tmp_path: Path
) -> None:
    """F8b: the log gets shorter between the publisher's look at it and its write."""
    hub = new_hub()
    hub.evaluate(20).finish()
    for tick in range(22, 22 + 2 * (1 + EFFORT), 2):
        pause = tmp_path / f"pause{tick}"
        # A run first looks before it judges, when there is nothing to write yet.
        nth = 2 if step == "after_read_last" else 1
        evaluator = hub.evaluate(tick, failpoint=f"{step}:{nth}:pause={pause}")
        wait_for(pause.exists, "the publisher to be where the log gets shorter")
        hub.server.kill()
        assert hub.server.cut(hub.dice.randrange(600, 3_000)) > 0
        hub.server.start()
        hub.faults["server killed and its file cut"] += 1
        pause.unlink()
        evaluator.finish()
    hub.rest().check(tick)


def test_judging_goes_on_while_the_server_hangs(new_hub: Callable[..., Hub], tmp_path: Path) -> None:
    """F10: a server that answers nobody for ten seconds, and does not refuse either."""
    hub = new_hub()
    hub.evaluate(5).finish()
    pause, judged = tmp_path / "pause", tmp_path / "judged"
    evaluator = hub.evaluate(20, failpoint=f"before_record:1:pause={pause}", judged=judged)
    wait_for(pause.exists, "the evaluator to be connected")
    hub.server.pause()
    hub.faults["server paused"] += 1
    pause.unlink()
    if EFFORT == 1:
        time.sleep(1)
    else:
        # The publisher waits ten seconds for an answer before it considers the server dead.
        wait_for(judged.exists, "everything to be judged while the server hangs", 60)
    hub.server.resume()
    evaluator.finish()
    hub.rest().check(20)


def test_a_full_memory_stops_publishing_and_nothing_else(new_hub: Callable[..., Hub], tmp_path: Path) -> None:
    """F11: a server without memory refuses events until there is room again."""
    hub, judged = new_hub(), tmp_path / "judged"
    client = hub.server.client()
    client.config_set("maxmemory", "1")
    hub.faults["server out of memory"] += 1
    evaluator = hub.evaluate(20, judged=judged)
    wait_for(judged.exists, "everything to be judged without a stream")
    assert hub.server.log().last_seq() == 0
    client.config_set("maxmemory", "0")
    evaluator.finish()
    hub.rest().check(20)
