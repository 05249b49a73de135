"""F0: the checks catch what they are meant to catch. Each mutant goes through a case and fails it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos import scene
from tests.chaos.checks import Broken, check_effects
from tests.chaos.hub import Hub
from tests.chaos.processes import EFFORT
from tests.chaos.scene import latecomers
from tests.waiting import wait_for

NewHub = Callable[..., Hub]
SLOW = pytest.mark.skipif(EFFORT == 1, reason="takes half a minute: `make chaos`")


def crashes(hub: Hub, step: str, mutant: str, *, ticks: int = 20, nth: int = 4) -> None:
    """Evaluate to the end, crashing at a step now and then."""
    while not hub.crash_or_finish(step, hub.evaluate(ticks, mutant=mutant, failpoint=f"{step}:{nth}")):
        pass


@SLOW
def test_a_publisher_without_outbox_loses_what_it_had_not_sent(new_hub: NewHub) -> None:
    """F0: publisher without outbox."""
    hub = new_hub()
    crashes(hub, "after_record", "publisher_without_outbox")
    with pytest.raises(Broken, match="I3: the stream lacks"):
        hub.rest().check(20)


def test_a_publisher_that_does_not_look_leaves_a_hole(new_hub: NewHub, tmp_path: Path) -> None:
    """F0: publisher without the contiguity check."""
    hub, pause = new_hub(), tmp_path / "pause"
    hub.evaluate(20).finish()
    evaluator = hub.evaluate(22, mutant="publisher_without_contiguity", failpoint=f"before_publish:1:pause={pause}")
    wait_for(pause.exists, "the publisher to be where the log gets shorter")
    hub.server.kill()
    hub.server.cut(2_000)
    hub.server.start()
    pause.unlink()
    evaluator.finish()
    with pytest.raises(Broken, match="I3: the stream lacks"):
        hub.rest().check(22)


@SLOW
def test_a_cursor_before_its_triggers_loses_them(new_hub: NewHub) -> None:
    """F0: cursor before triggers."""
    hub = new_hub()
    crashes(hub, "after_commit", "cursor_before_triggers")
    with pytest.raises(Broken, match="I1: missing"):
        hub.rest().check(20)


@pytest.mark.parametrize(("mutant", "ticks"), [("less_or_equal_for_less", 45), ("previous_over_a_gap", 25)])
def test_a_wrong_verdict_is_seen(mutant: str, ticks: int, new_hub: NewHub) -> None:
    """F0: `<=` for `<`; the step before is the last candle, over a gap."""
    hub = new_hub()
    hub.evaluate(ticks, mutant=mutant).finish()
    with pytest.raises(Broken, match="I1: "):
        hub.rest().check(ticks)


@SLOW
def test_a_store_that_numbers_on_from_an_old_backup_is_seen(new_hub: NewHub) -> None:
    """F0: no reconciliation and no floor after an older backup."""
    hub = new_hub()
    hub.evaluate(10).finish()
    hub.back_up()
    hub.evaluate(30, latecomer=10).finish()
    hub.restore()
    hub.evaluate(60, mutant="no_seq_floor").finish()
    with pytest.raises(Broken, match=r"I[137]: "):
        hub.rest().check(60, also=latecomers(10, 30), restored=True)


@SLOW
def test_a_short_look_back_is_seen_after_a_restart(new_hub: NewHub) -> None:
    """F0: a cold process starts two periods back instead of at the anchor."""
    hub = new_hub()
    crashes(hub, "after_record", "short_look_back", ticks=60, nth=15)
    with pytest.raises(Broken, match="I1: "):
        hub.rest().check(60)


def test_a_consumer_that_marks_before_it_acts_loses_effects(new_hub: NewHub) -> None:
    """F0: consumer that marks, then acts."""
    hub = new_hub()
    hub.evaluate(20).finish()
    hub.own()
    until = hub.server.log().last_seq()
    for nth in (9, 17):
        assert not hub.crash_or_finish(
            "before_mark", hub.consume(until, mutant="mark_then_act", failpoint=f"before_mark:{nth}")
        )
    hub.consume(until, mutant="mark_then_act").finish()
    with pytest.raises(Broken, match="I4: "):
        check_effects(hub.exchange, scene.expected(20))
