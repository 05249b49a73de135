"""Which conditions are judged, and when. Pure: spans in, times out.

A condition is judged in its active spans: each begins with its registration, or with the first subscription after a
time without any, and ends a grace time after its last subscription ended. What it would have fired in between is
neither recorded nor made up for; its indicators and truths still come from all candles, so it resumes as if it had been
judged throughout.
"""

from collections.abc import Sequence
from dataclasses import dataclass

GRACE_MS = 24 * 3_600_000
"""How long a condition continues to be judged without a subscription, unless the settings say otherwise."""


@dataclass(frozen=True, slots=True)
class ActiveSpan:
    """Candles that close after ``from_ms`` and by ``until_ms`` (``None``: open-ended) can trigger a condition."""

    from_ms: int
    until_ms: int | None


def is_active(spans: Sequence[ActiveSpan], close_ms: int) -> bool:
    """Whether a candle that closes at a time can trigger a condition."""
    return any(span.from_ms < close_ms and (span.until_ms is None or close_ms <= span.until_ms) for span in spans)


def wanted_from(spans: Sequence[ActiveSpan], judged_ms: int | None) -> int | None:
    """The time after which candles have to be judged, ``None`` if none have to.

    ``judged_ms`` is how far the condition's group has been judged.
    """
    for span in spans:
        if judged_ms is None:
            return span.from_ms
        if span.until_ms is None or span.until_ms > judged_ms:
            return max(span.from_ms, judged_ms)
    return None
