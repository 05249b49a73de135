"""Named steps between loading a candle and acknowledging an event, at which a test can make a process fail.

Off, which is the default, a step costs one call of an empty function. The environment switches failpoints on:

    HUB_FAILPOINT=after_commit:3                       at the third hit the process kills itself, like kill -9
    HUB_FAILPOINT=before_publish:1:pause=/tmp/paused   creates that file, and continues when somebody removes it
    HUB_FAILPOINT=before_effect:2:raise                raises FailpointReached

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
    "mid_upgrade": "in the store: some conditions have been read again after an upgrade of the hub, more may follow",
    "before_upgrade_commit": "in the store: the whole upgrade is written, its transaction is still open",
    "after_upgrade_commit": "in the store: an upgrade is on disk, and nothing has been loaded into memory yet",
    "after_load": "the conditions' state is built or extended, nothing is judged yet",
    "mid_evaluation": "part of a tick is judged, more may follow, nothing is recorded",
    "before_record": "a tick is judged, but not yet handed to the store",
    "before_commit": "in the store: the whole tick is written, its transaction is still open",
    "after_commit": "in the store: a tick is on disk, but neither the store's memory nor the caller knows",
    "after_record": "the store has answered, nothing is published",
    "before_checkpoint": "a checkpoint of the indicators is about to be saved",
    "after_read_last": "the publisher has asked the stream for its newest event",
    "before_publish": "a batch is read from the store, but not yet sent",
    "after_publish": "a batch is in the stream, the next one is not",
    "after_read": "a consumer has received events, but not acted on them",
    "before_effect": "a handler is about to act on a delivery",
    "after_effect": "a handler has acted on a delivery, but nothing says so yet",
    "before_mark": "the deliveries of some events are handled, but not yet in the consumer's ledger",
    "before_ack": "they are in the ledger, but not acknowledged to the stream",
    "after_ack": "events are acknowledged",
    "before_inbox": "triggers for bots are decided upon, but not yet in the executor's inbox",
    "after_inbox": "they are in the inbox, but not yet in the consumer's position",
    "before_bots_record": "bots have acted in memory, nothing of it is in the store",
    "before_bots_commit": "in the store: what bots did is written, its transaction is still open",
    "after_bots_commit": "in the store: what bots did is on disk, but neither its memory nor the executor knows",
    "after_bots_record": "the store has answered, but the executor's inbox still has the triggers",
    "before_orders": "what a bot at an exchange wants is in the store, but not yet sent",
    "before_post": "a delivery is about to be sent to a webhook",
    "after_post": "a webhook has answered, but the outbox does not know",
}
"""Name -> step: those of an upgrade first, then in the order in which a trigger passes them."""


@dataclass(frozen=True)
class _Armed:
    nth: int
    action: str
    path: str


def _off(name: str) -> None:
    """Nothing happens."""


reach: Callable[[str], None] = _off
"""Announce that a step is reached. Call it as ``failpoints.reach("after_commit")``, through the module, so that
arming takes effect."""


def arm(text: str) -> None:
    """Switch on the failpoints of ``text``, in the form of ``HUB_FAILPOINT``, and all others off.

    Raises :class:`common.errors.SettingsError`.
    """
    global reach  # noqa: PLW0603 (so that an unarmed step has nothing to check)
    armed: dict[str, list[_Armed]] = {}
    for part in filter(None, text.split(",")):
        name, failpoint = _read(part)
        armed.setdefault(name, []).append(failpoint)
    reach = _on(armed) if armed else _off


def _on(armed: dict[str, list[_Armed]]) -> Callable[[str], None]:
    hits: Counter[str] = Counter()

    def reached(name: str) -> None:
        hits[name] += 1
        for failpoint in armed.get(name, ()):
            if failpoint.nth == hits[name]:
                _act(name, failpoint)

    return reached


def _act(name: str, failpoint: _Armed) -> None:
    if failpoint.action == "raise":
        raise FailpointReached(f"failpoint {name} was reached (hit {failpoint.nth}); unset {VARIABLE} to go on")
    if failpoint.action == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    path = Path(failpoint.path)
    path.touch()
    while path.exists():
        time.sleep(0.005)


def _read(part: str) -> tuple[str, _Armed]:
    name, _, rest = part.partition(":")
    nth, _, action = rest.partition(":")
    action, _, path = (action or "crash").partition("=")
    if name not in FAILPOINTS:
        raise SettingsError(f"{VARIABLE}: there is no failpoint {name!r}; use one of {' '.join(FAILPOINTS)}")
    if not (nth.isdecimal() and int(nth) > 0):
        raise SettingsError(f"{VARIABLE}: {part!r} does not say which hit; write {name}:1 for the first")
    if action not in ("crash", "pause", "raise") or (action == "pause") != bool(path):
        raise SettingsError(f"{VARIABLE}: {part!r} has no valid action; write crash, raise, or pause=PATH")
    return name, _Armed(int(nth), action, path)


arm(os.environ.get(VARIABLE, ""))
