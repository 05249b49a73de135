"""Hints for what is misspelled."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str], *, cutoff: float = 0.5) -> str:
    """`` (did you mean rsi?)`` or nothing, to be put behind the word in a message. ``cutoff`` is from 0 to 1, the
    likeness that :func:`difflib.get_close_matches` asks for."""
    nearest = get_close_matches(word.lower(), list(known), n=1, cutoff=cutoff)
    return f" (did you mean {nearest[0]}?)" if nearest else ""
