"""Spans of time: ``for 3 hours``, ``in the last 5 candles``, ``between 9:30 and 16:00``, ``on Mondays``."""

import re

from common.timeframes import DURATION_MS, UNITS, find_timeframe
from registry.language.as_text.other_words.patterns import UNIT, Rule

_CLOCK = r"(\d{1,2}):(\d{2})"
_DAY = r"(mon|tue|wed|thu|fri|sat|sun)(?:day|sday|nesday|rsday|urday)?s?"
_BETWEEN = r"(?:and\s+)?(?:during|between|from)|and"
_SPAN = rf"(\d+)\s*-?(bars?|candles?|{UNIT})\b"


def times(timeframe: str | None) -> tuple[Rule, ...]:
    """The rules for a condition on a timeframe; without one, only bars can be counted."""

    def bars(count: str, unit: str) -> str | None:
        """``3`` and ``hours`` as a number of bars."""
        if unit.lower().startswith(("bar", "candle")):
            return f"{count} bars"
        name = find_timeframe(timeframe) if timeframe is not None else None
        if name is None or unit == "M":
            return None
        number, rest = divmod(int(count) * UNITS[unit.lower()], DURATION_MS[name])
        return None if rest or not number else f"{number} bars"

    def window(word: str) -> Rule:
        def written(match: re.Match[str]) -> str:
            counted = bars(match[1], match[2])
            return match[0] if counted is None else f"{word} {counted}"

        leading = r"for\s+(?:at\s+least\s+)?" if word == "for" else r"(?:within|in|over)\s+"
        past = r"(?:the\s+)?(?:last\s+|past\s+)?"
        return rf"\b{leading}{past}{_SPAN}", written

    def in_the_last(match: re.Match[str]) -> str:
        counted = bars(match[1], match[2])
        return match[0] if counted is None else f"within {counted}"

    return (
        (rf"\b(last|past)\s+(?={UNIT}\b)", r"\1 1 "),
        (rf"\b(?:over|during)\s+(?:the\s+)?(?:last|past)\s+{_SPAN}", in_the_last),
        window("for"),
        window("within"),
        (rf"\s+(?:{_BETWEEN})\s+{_CLOCK}\s*(?:-|to|and|until)\s*{_CLOCK}", _daily),
        (rf"\s+(?:and\s+)?on\s+{_DAY}\b", lambda match: f" and during({match[1].lower()})"),
        (r"\s+(?:and\s+)?on\s+weekdays\b", " and during(mon-fri)"),
        (r"\s+(?:and\s+)?(?:on|at)\s+(?:the\s+)?weekends?\b", " and during(sat-sun)"),
        (r"(?<=[\w)])(?<!and)(?<!or)(?<!not)\s+(?=during\s*\()", " and "),
    )


def _daily(match: re.Match[str]) -> str:
    begin, begin_minute, end, end_minute = match.groups()
    return f" and during({int(begin):02}:{begin_minute}-{int(end):02}:{end_minute})"
