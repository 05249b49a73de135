"""A demo that is killed, and killed again, ends as one that nobody touched; so does one that loses its event log.

Two lanes of demos run side by side, one on each core: in the first the undisturbed one (with a rival on its folder) and
then, in `make chaos`, the one that loses its server, in the second the one that is killed.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import polars as pl
import pytest

from tests.chaos.processes import EFFORT
from tests.hub.demo.processes import DemoFolder, Run

BOTS = ("--bots", "400")
LEAST_EVENTS = 4_500
"""These bots' conditions fire about 5,100 times: what happens before so many events happens within the replay."""

REPLAY_KILLS = 2 if EFFORT == 1 else 3

TICKS = 3 * 288 + 3 * 24

OF_A_VERDICT = (
    "trigger_id",
    "condition_id",
    "symbol",
    "timeframe",
    "open_time",
    "close_time",
    "price",
    "values",
    "settled",
    "definition_versions",
)
"""What of a trigger does not depend on when it was found: not its ``seq``, nor what the clock says."""


@dataclass(frozen=True)
class Ended:
    """A demo that ran to its end."""

    folder: DemoFolder
    run: Run
    exit_code: int


@dataclass(frozen=True)
class Undisturbed(Ended):
    """It had the store when a rival came."""

    rival: Run
    rival_exit_code: int


@dataclass(frozen=True)
class Kill:
    """One kill: in which phase, how the process ended, and in the replay what was recorded by then."""

    phase: str
    exit_code: int
    left_running: list[str]
    triggers: pl.DataFrame | None = None
    ticks: int = 0


@dataclass(frozen=True)
class Killed(Ended):
    """It was killed before, at some moments."""

    kills: list[Kill]


@dataclass(frozen=True)
class Unserved(Ended):
    """The next demo after one whose event log's server died."""

    disturbed: Run
    disturbed_exit_code: int
    recorded: pl.DataFrame
    """Triggers when the disturbed one had ended."""


@dataclass(frozen=True)
class Lanes:
    """What comes of the demos."""

    undisturbed: Future[Undisturbed]
    unserved: Future[Unserved]
    killed: Future[Killed]


@pytest.fixture(scope="module")
def lanes(new_folder: Callable[[str], DemoFolder]) -> Iterator[Lanes]:
    seed = int(os.environ.get("HUB_TEST_SEED") or time.time_ns() % 1_000_000)
    print(f"HUB_TEST_SEED={seed} repeats these moments")  # noqa: T201 (pytest shows it)
    folders = [new_folder(name) for name in ("undisturbed", "unserved", "killed")]
    dice = [random.Random(f"{seed} {lane}") for lane in range(2)]
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        yield Lanes(
            undisturbed=first.submit(_undisturbed, folders[0]),
            unserved=first.submit(_unserved, folders[1], dice[0]) if EFFORT > 1 else Future(),
            killed=second.submit(_killed, folders[2], dice[1]),
        )
        # All is over by now, unless pytest was interrupted: then the lanes are not waited for.
        first.shutdown(wait=False, cancel_futures=True)
        for folder in folders:
            folder.clear()


def _undisturbed(folder: DemoFolder) -> Undisturbed:
    run = folder.start(*BOTS)
    run.wait_for("Register conditions")
    rival = folder.start(*BOTS)
    rival_exit_code = rival.wait()
    return Undisturbed(folder, run, run.wait(), rival, rival_exit_code)


def _killed(folder: DemoFolder, dice: random.Random) -> Killed:
    kills = []
    for phase, longest_s in (("Import candles", 0.8), ("Register conditions", 0.5)):
        run = folder.start(*BOTS)
        run.wait_for(phase)
        time.sleep(dice.uniform(0, longest_s))
        kills.append(Kill(phase, run.kill(), _left_running(folder)))
    for part in range(REPLAY_KILLS):
        run = folder.start(*BOTS)
        run.wait_for_events(1 + int(LEAST_EVENTS * (part + dice.random()) / REPLAY_KILLS))
        time.sleep(dice.uniform(0, 0.3))
        exit_code = run.kill()
        kills.append(Kill("Replay", exit_code, _left_running(folder), folder.triggers(), folder.ticks().height))
    run = folder.start(*BOTS)
    return Killed(folder, run, run.wait(), kills)


def _unserved(folder: DemoFolder, dice: random.Random) -> Unserved:
    disturbed = folder.start(*BOTS)
    disturbed.wait_for_events(dice.randrange(LEAST_EVENTS))
    time.sleep(dice.uniform(0, 0.3))
    pid = folder.server_pid("valkey")
    assert pid is not None, disturbed.messages
    os.kill(pid, signal.SIGKILL)
    disturbed_exit_code = disturbed.wait()
    recorded = folder.triggers()
    run = folder.start(*BOTS)
    return Unserved(folder, run, run.wait(), disturbed, disturbed_exit_code, recorded)


def _left_running(folder: DemoFolder) -> list[str]:
    return [name for name in ("valkey", "prefect") if folder.server_pid(name) is not None]


def test_a_rival_is_refused_and_told_who_has_the_store(lanes: Lanes) -> None:
    demo = lanes.undisturbed.result()

    assert demo.rival_exit_code == 1
    assert demo.rival.output == ""
    message = demo.rival.messages.splitlines()[-1]
    assert message.startswith("error: ")
    assert f"in use by process {demo.run.pid} " in message
    assert "Traceback" not in demo.rival.messages
    # It neither harmed the other one nor took its servers away.
    assert demo.exit_code == 0, demo.run.messages
    assert demo.run.report["triggers"] == demo.run.report["events"] > LEAST_EVENTS


def test_a_killed_demo_ends_as_an_undisturbed_one(lanes: Lanes) -> None:
    whole, demo = lanes.undisturbed.result(), lanes.killed.result()
    for kill in demo.kills:
        print(f"killed in {kill.phase!r} after {kill.ticks} ticks; left running: {kill.left_running}")  # noqa: T201

    assert [kill.exit_code for kill in demo.kills] == [-signal.SIGKILL] * (2 + REPLAY_KILLS)
    assert demo.exit_code == 0, demo.run.messages
    expected = _verdicts(whole.folder.triggers())
    assert expected.height > LEAST_EVENTS
    assert _verdicts(demo.folder.triggers()).equals(expected)
    _assert_in_order(demo.folder.triggers())
    _assert_published(demo.folder)
    _assert_same_ticks(demo.folder, whole.folder)
    assert demo.folder.processes() == []


def test_what_was_recorded_before_a_kill_stays(lanes: Lanes) -> None:
    demo = lanes.killed.result()
    final = demo.folder.triggers()
    in_replay = [kill for kill in demo.kills if kill.phase == "Replay"]

    progress = [kill.ticks for kill in in_replay]
    # Each kill came in the middle of the replay, and none made it begin again.
    assert all(0 < before < after < TICKS for before, after in pairwise(progress)), progress
    assert demo.run.report["ticks"] == TICKS - progress[-1]
    for kill in in_replay:
        assert kill.triggers is not None
        assert kill.triggers.equals(final.head(kill.triggers.height))


@pytest.mark.skipif(EFFORT == 1, reason="takes a minute: `make chaos`")
def test_a_demo_survives_the_death_of_its_event_log(lanes: Lanes) -> None:
    whole, demo = lanes.undisturbed.result(), lanes.unserved.result()

    # It goes on judging, starts the server again, and publishes what that lacks.
    assert demo.disturbed_exit_code == 0, demo.disturbed.messages
    assert "it was started again" in demo.disturbed.messages
    assert "Traceback" not in demo.disturbed.messages
    expected = _verdicts(whole.folder.triggers())
    assert _verdicts(demo.recorded).equals(expected)
    assert demo.disturbed.report["events"] == demo.recorded.height
    # The next one has nothing left to do.
    assert demo.exit_code == 0, demo.run.messages
    assert demo.run.report["ticks"] == 0
    assert demo.folder.triggers().equals(demo.recorded)
    _assert_in_order(demo.recorded)
    _assert_published(demo.folder)
    _assert_same_ticks(demo.folder, whole.folder)
    assert demo.folder.processes() == []


def _verdicts(triggers: pl.DataFrame) -> pl.DataFrame:
    return triggers.select(OF_A_VERDICT).sort("trigger_id")


def _assert_in_order(triggers: pl.DataFrame) -> None:
    assert triggers["seq"].to_list() == list(range(1, triggers.height + 1))
    assert triggers["trigger_id"].n_unique() == triggers.height
    for series in triggers.partition_by("symbol", "timeframe"):
        assert series["close_time"].is_sorted()


def _assert_published(folder: DemoFolder) -> None:
    """The stream is the store's triggers: all of them, in their order, none twice."""
    triggers, stream = folder.triggers(), folder.stream()
    assert stream.entry_ids == [f"{seq}-0" for seq in triggers["seq"]]
    published = [(event.seq, event.trigger_id, event.price) for event in stream.events]
    assert published == list(triggers.select("seq", "trigger_id", "price").iter_rows())


def _assert_same_ticks(one: DemoFolder, other: DemoFolder) -> None:
    """Each tick was recorded once, and counted the same."""
    of_a_run = "tick_id", "late", "judged_at", "load_us", "indicators_us", "judge_us"
    frames = [folder.ticks().drop(of_a_run).sort("timeframe", "close_time") for folder in (one, other)]
    assert frames[0].height == TICKS
    assert frames[0].equals(frames[1])
