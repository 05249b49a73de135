"""Answers as responses, and pages of long lists."""

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from starlette.responses import Response

from api.bodies.answers import Answer

Item = TypeVar("Item")


def respond(answer: Answer, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The answer as JSON. It was validated when it was made, and is not validated again."""
    return Response(answer.model_dump_json(), status, dict(headers or {}), media_type="application/json")


def page(
    items: Iterable[Item], key: Callable[[Item], str], cursor: str | None, limit: int
) -> tuple[list[Item], str | None]:
    """Up to ``limit`` items after a cursor in the order of their keys, and the cursor of the next page, if any.

    A cursor is a place between keys, not a count: an item that is there throughout is listed exactly once, whatever is
    added or removed meanwhile.
    """
    after = bytes.fromhex(cursor) if cursor else b""
    following = ((place, item) for item in items if (place := key(item).encode()) > after)
    first = heapq.nsmallest(limit + 1, following, key=lambda each: each[0])
    shown = first[:limit]
    return [item for _, item in shown], shown[-1][0].hex() if len(first) > limit else None
