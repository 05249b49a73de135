"""What a trader wrote, and what has to come of it: the condition that was meant, or its text to write."""

import re
from dataclasses import dataclass

from registry import Condition, ConditionError


@dataclass(frozen=True)
class Written:
    """What a trader wrote, and the texts of the conditions that may be meant by it."""

    text: str
    meant: tuple[str, ...]


def check(written: Written, *, header: str = "BTCUSDT 1h: ") -> str | None:
    """What is said of it; ``None`` if it is read."""
    wanted = {Condition.parse(header + text).id for text in written.meant}
    try:
        condition = Condition.parse(header + written.text)
    except ConditionError as error:
        problem, excerpt, caret = str(error).split("\n")
        assert len(caret) <= len(excerpt) + 1
        _, write, instead = problem.partition("; write ")
        assert write, f"nothing to write instead of {written.text!r}: {problem}"
        offered = {Condition.parse(text).id for text in re.split(", or [a-z ]+: ", instead)}
        assert offered == wanted, problem
        return problem
    assert {condition.id} == wanted, f"{written.text!r} was read as {condition}"
    return None
