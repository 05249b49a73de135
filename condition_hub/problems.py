"""Unsuccessful answers as errors: problem details (RFC 9457) say what was wrong and what is allowed."""

import email.utils
import time

import httpx
import msgspec

from condition_hub.errors import ApiRefused, ApiUnreachable, KeyRefused, LimitReached, NotFound

_KINDS: dict[int, type[ApiRefused]] = {401: KeyRefused, 403: KeyRefused, 404: NotFound, 429: LimitReached}
_LONGEST = 200


class _Item(msgspec.Struct, frozen=True):
    detail: str = ""
    pointer: str | None = None
    parameter: str | None = None


class _Problem(msgspec.Struct, frozen=True):
    detail: str
    type: str = ""
    request_id: str | None = None
    errors: list[_Item] = []


def refusal(response: httpx.Response) -> ApiRefused | ApiUnreachable:
    """The error that an unsuccessful answer stands for."""
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except msgspec.MsgspecError:
        return ApiUnreachable(
            f"{_place(response)} answered {response.status_code} {response.text[:_LONGEST]!a}, which is not an "
            "answer of the hub; is HUB_API_URL its address?"
        )
    request_id = problem.request_id or response.headers.get("X-Request-ID")
    over_quota = problem.type.endswith(":quota-exceeded")
    kind = LimitReached if over_quota else _KINDS.get(response.status_code, ApiRefused)
    return kind(
        f"{_message(problem)} ({response.status_code}, request {request_id})",
        status=response.status_code,
        field=next((item.pointer or item.parameter for item in problem.errors), None),
        request_id=request_id,
        retry_after_s=retry_after_s(response),
    )


def unreadable(response: httpx.Response, error: msgspec.MsgspecError) -> ApiUnreachable:
    """The error for a successful answer that is not one of the hub's."""
    return ApiUnreachable(
        f"{_place(response)} gave an answer that this client cannot read ({error}); is HUB_API_URL the hub's address, "
        "and is the client as new as the hub?"
    )


def retry_after_s(response: httpx.Response) -> float | None:
    """Seconds to wait according to the header ``Retry-After``, which is a number of seconds or a date."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def _place(response: httpx.Response) -> str:
    return f"{response.request.method} {response.url.copy_with(query=None)}"


def _message(problem: _Problem) -> str:
    """What was wrong, including the details that the summary leaves out."""
    parts = [problem.detail]
    for item in problem.errors:
        if item.detail and item.detail not in problem.detail:
            place = item.pointer or item.parameter
            parts.append(f"{place}: {item.detail}" if place else item.detail)
    return "; ".join(parts)
