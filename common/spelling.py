"""Hints for misspelled words."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str], *, cutoff: float = 0.5) -> str:
    """`` (did you mean rsi?)`` or nothing, to follow the word in a message. ``cutoff``, from 0 to 1, is the similarity
    that :func:`difflib.get_close_matches` requires."""
    by_folded_name = {name.lower(): name for name in known}
    nearest = get_close_matches(word.lower(), by_folded_name, n=1, cutoff=cutoff)
    return f" (did you mean {by_folded_name[nearest[0]]}?)" if nearest else ""
