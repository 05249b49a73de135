"""Answers as responses, and pages of long lists."""

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from starlette.responses import Response

from api.bodies.answers import Answer

Item = TypeVar("Item")


def respond(answer: Answer, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The answer as JSON. It was checked when it was made, so nothing looks at it again."""
    return Response(answer.model_dump_json(), status, dict(headers or {}), media_type="application/json")


def page(
    items: Iterable[Item], key: Callable[[Item], str], cursor: str | None, limit: int
) -> tuple[list[Item], str | None]:
    """Up to ``limit`` items behind a cursor in the order of their keys, and the cursor of the next page, if any.

    A cursor is a place between keys, not a count: what is there throughout is listed once, whatever comes and goes.
    """
    after = bytes.fromhex(cursor) if cursor else b""
    following = ((place, item) for item in items if (place := key(item).encode()) > after)
    found = heapq.nsmallest(limit + 1, following, key=lambda each: each[0])
    shown = found[:limit]
    return [item for _, item in shown], shown[-1][0].hex() if len(found) > limit else None
