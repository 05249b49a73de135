"""Named steps between loading a candle and acknowledging an event, at which a test lets a process die.

Off, which is the default, a step costs the call of a function that does nothing. The environment switches it on:

    HUB_FAILPOINT=after_commit:3                     the third time: the process kills itself, as kill -9 does
    HUB_FAILPOINT=before_publish:1:pause=/tmp/held   writes that file, and goes on when somebody removes it
    HUB_FAILPOINT=before_effect:2:raise              raises FailpointReached

Several are separated by commas.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from common.errors import FailpointReached, SettingsError

VARIABLE = "HUB_FAILPOINT"

FAILPOINTS = {
    "after_load": "the conditions' state is built or grown, nothing is judged yet",
    "mid_evaluation": "one part of a tick is judged, others may follow, nothing is recorded",
    "before_record": "a tick is judged and not yet given to the store",
    "before_commit": "in the store: everything of a tick is written, its transaction is open",
    "after_commit": "in the store: a tick is on disk, its memory does not know it and nobody has the answer",
    "after_record": "the store has answered, nothing is published",
    "before_checkpoint": "a checkpoint of the indicators is about to be saved",
    "after_read_last": "the publisher has asked the stream for its newest event",
    "before_publish": "a batch is read from the store and not yet sent",
    "after_publish": "a batch is in the stream, the next one is not",
    "after_read": "a consumer has been handed events, nothing is done about them",
    "before_effect": "a handler is about to act on a delivery",
    "after_effect": "a handler has acted on a delivery, nobody knows",
    "before_mark": "the deliveries of some events are handled, the consumer's ledger does not know it",
    "before_ack": "the ledger knows it, the stream does not",
    "after_ack": "events are acknowledged",
    "before_post": "a delivery is about to be sent to a webhook",
    "after_post": "a webhook has answered, the outbox does not know it",
}
"""Every step by its name, in the order in which a trigger passes them."""


@dataclass(frozen=True)
class _Armed:
    nth: int
    action: str
    path: str


def _off(name: str) -> None:
    """Nothing happens."""


reach: Callable[[str], None] = _off
"""Say that a step is reached. Call it as ``failpoints.reach("after_commit")``, so that switching it on is seen."""


def arm(text: str) -> None:
    """Switch on what ``text`` says, in the form of ``HUB_FAILPOINT``; nothing else stays on.

    Raises :class:`common.errors.SettingsError`.
    """
    global reach  # noqa: PLW0603 (the point of it: off, there is nothing to look at)
    armed: dict[str, list[_Armed]] = {}
    for part in filter(None, text.split(",")):
        name, held = _read(part)
        armed.setdefault(name, []).append(held)
    reach = _on(armed) if armed else _off


def _on(armed: dict[str, list[_Armed]]) -> Callable[[str], None]:
    hits: Counter[str] = Counter()

    def reached(name: str) -> None:
        hits[name] += 1
        for held in armed.get(name, ()):
            if held.nth == hits[name]:
                _act(name, held)

    return reached


def _act(name: str, held: _Armed) -> None:
    if held.action == "raise":
        raise FailpointReached(f"failpoint {name} was reached for the {held.nth}. time; unset {VARIABLE} to go on")
    if held.action == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    path = Path(held.path)
    path.touch()
    while path.exists():
        time.sleep(0.005)


def _read(part: str) -> tuple[str, _Armed]:
    name, _, rest = part.partition(":")
    nth, _, action = rest.partition(":")
    action, _, path = (action or "crash").partition("=")
    if name not in FAILPOINTS:
        raise SettingsError(f"{VARIABLE}: no failpoint {name!r}; use one of {' '.join(FAILPOINTS)}")
    if not (nth.isdecimal() and int(nth) > 0):
        raise SettingsError(f"{VARIABLE}: {part!r} does not say which time; write {name}:1 for the first")
    if action not in ("crash", "pause", "raise") or (action == "pause") != bool(path):
        raise SettingsError(f"{VARIABLE}: {part!r}; the action is crash, raise, or pause=PATH")
    return name, _Armed(int(nth), action, path)


arm(os.environ.get(VARIABLE, ""))
