"""F1 to F6: a process that dies at any step, again and again, loses and repeats nothing."""

from collections.abc import Callable

import pytest

from tests.chaos.hub import Hub
from tests.chaos.processes import EFFORT

STEPS = (
    "after_load",
    "mid_evaluation",
    "before_record",
    "before_commit",
    "after_commit",
    "after_record",
    "before_checkpoint",
    "after_read_last",
    "before_publish",
    "after_publish",
)


LONG_ONLY = ("after_load", "before_record", "after_record")
"""Steps next to others, which `make chaos` tries."""


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(
            step, marks=pytest.mark.skipif(EFFORT == 1 and step in LONG_ONLY, reason="half a minute: `make chaos`")
        )
        for step in STEPS
    ],
)
def test_a_hub_that_dies_at_a_step_goes_on_from_there(step: str, new_hub: Callable[[], Hub]) -> None:
    """F1 to F6: the process dies at one step again and again."""
    hub = new_hub()
    ticks = 12 if EFFORT == 1 else min(20 * EFFORT, 240)
    # A process saves one checkpoint, at its end.
    longest, most = (1, 4) if step == "before_checkpoint" else (12 if step == "mid_evaluation" else 4, None)
    while True:
        failpoint = f"{step}:{hub.dice.randint(1, longest)}"
        if hub.crash_or_finish(step, hub.evaluate(ticks, most=most, failpoint=failpoint)):
            break
    assert hub.crashes[step] >= 2
    hub.rest().check(ticks)
