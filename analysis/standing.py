"""Where a condition stands in the hub: what, besides the candles, decides whether a trigger of it is recorded.

Whether it is registered, active, subscribed to and judged so far. Nothing is computed from candles here; what they say
is in :mod:`analysis.now` and :mod:`analysis.explain`.
"""

from dataclasses import dataclass

from common.timeframes import show_time
from registry.activity import ActiveSpan, is_active
from registry.conditions import Condition
from registry.store.parts.registry import Unjudged
from registry.store.protocol import Store


@dataclass(frozen=True)
class Standing:
    """Where a condition stands at one candle. Times are close times in milliseconds."""

    registered: bool
    spans: tuple[ActiveSpan, ...]
    """When a candle has to close to trigger it."""
    subscriptions: int
    judged_until_ms: int | None
    """Watermark of its group, ``None`` before the first tick."""
    recorded: bool
    """Whether a trigger is recorded on the candle."""
    unjudged: Unjudged | None = None
    """Why it is not judged, ``None`` if it is."""

    def notes(self, close_ms: int, *, with_subscribers: bool = True) -> tuple[str, ...]:
        """Why the hub records no trigger on the candle that closes at ``close_ms``, whatever the candles say.

        Without ``with_subscribers`` no note reveals that nobody subscribes.
        """
        if not self.registered:
            return ("it is not registered, so it is not judged; register it: hub conditions register",)
        notes = []
        if close_ms <= self.spans[0].from_ms:
            notes.append(
                f"it has been active since {show_time(self.spans[0].from_ms)}: earlier candles do not trigger it"
            )
        elif self.unjudged is not None and not is_active(self.spans, close_ms):
            retired = "an operator retired it" if self.unjudged.state == "retired" else "it could not be judged"
            notes.append(f"{retired} at {show_time(self.unjudged.since_ms)}: {self.unjudged.reason}")
        elif not is_active(self.spans, close_ms):
            notes.append("it was not judged then: nobody had subscribed to it for too long")
        if self.judged_until_ms is None:
            notes.append("its group has not been judged yet")
        elif close_ms > self.judged_until_ms:
            notes.append(f"its group has only been judged up to {show_time(self.judged_until_ms)}")
        if with_subscribers and not self.subscriptions:
            notes.append(f"it has no active subscription, so no bot is told{self._until()}")
        return tuple(notes)

    def _until(self) -> str:
        until_ms = self.spans[-1].until_ms
        return "" if until_ms is None else f", and it is not judged after {show_time(until_ms)}"


def standing_of(store: Store, condition: Condition, close_ms: int) -> Standing:
    """Where a condition stands at the candle that closes at ``close_ms``."""
    stored = store.registry.condition(condition.id)
    return Standing(
        registered=stored is not None,
        spans=store.registry.activity_of(condition.id),
        subscriptions=store.registry.subscriber_count(condition.id),
        judged_until_ms=store.ticks.watermark(condition.group),
        recorded=store.triggers.is_recorded(condition.id, close_ms),
        unjudged=store.registry.unjudged_of(condition.id),
    )
