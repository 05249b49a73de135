"""The hub's operations without the network: what each sends and how its answer is read. Both clients use them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import httpx
import msgspec

from condition_hub.bodies import as_json, path_part
from condition_hub.conditions import ConditionLike, bulk_of, in_bulks, spelled
from condition_hub.errors import ConditionsRefused, NotFound
from condition_hub.problems import refusal, unreadable
from condition_hub.results import (
    Checked,
    Policy,
    Registration,
    Status,
    Subscribed,
    Subscription,
    Trigger,
)

_MOST_IN_BULK = 1000
"""How many conditions go into one request."""
_LARGEST_PAGE = 500

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Call(Generic[T_co]):
    """One request; ``read`` turns a successful answer into its result."""

    method: str
    path: str
    read: Callable[[httpx.Response], T_co]
    body: bytes | None = None
    query: Mapping[str, str | int | None] = field(default_factory=dict)
    if_not_found: T_co | None = None
    """The result where there is nothing of that name; ``None``: that is an error."""

    def result(self, response: httpx.Response) -> T_co:
        """The result of an answer.

        Raises :class:`condition_hub.errors.ApiError` if it is a refusal or cannot be read.
        """
        if not response.is_success:
            error = refusal(response)
            if self.if_not_found is not None and isinstance(error, NotFound):
                return self.if_not_found
            raise error
        try:
            return self.read(response)
        except msgspec.MsgspecError as unread:
            raise unreadable(response, unread) from unread


@dataclass(frozen=True)
class Refused:
    """What was wrong with one condition of a bulk registration."""

    detail: str


class ResultPage(msgspec.Struct, Generic[T], frozen=True):
    """Some items of a list, and the cursor of the next page, ``None`` on the last one."""

    items: list[T]
    next_cursor: str | None


class _BulkResult(msgspec.Struct, frozen=True):
    condition_id: str | None
    created: bool
    error: str | None = None
    data: str | None = None
    warnings: list[str] = []


class _BulkAnswer(msgspec.Struct, frozen=True):
    results: list[_BulkResult]


class _CheckAnswer(msgspec.Struct, frozen=True):
    results: list[Checked]


def register(condition: ConditionLike) -> Call[Registration]:
    """Register one condition."""
    spelling = spelled(condition)
    body = as_json({"condition": spelling} if isinstance(spelling, str) else spelling)
    return Call("POST", "/conditions/register", _read_registration, body)


def register_bulks(conditions: Iterable[ConditionLike]) -> Iterator[Call[list[Registration | Refused]]]:
    """Register any number of conditions, in requests small enough for the hub."""
    for some in in_bulks(conditions, _MOST_IN_BULK):
        yield Call("POST", "/conditions/register/bulk", _read_registrations, bulk_of(some))


def check_bulks(conditions: Iterable[ConditionLike]) -> Iterator[Call[list[Checked]]]:
    """What any number of conditions mean, in requests small enough for the hub."""
    read = reader(_CheckAnswer)
    for some in in_bulks(conditions, _MOST_IN_BULK):
        yield Call("POST", "/conditions/check", lambda response: read(response).results, bulk_of(some))


def subscribe(
    bot_id: str, condition_id: str, bot_type: str, bot_config: Mapping[str, object] | None, policy: Policy | None
) -> Call[Subscribed]:
    """Subscribe a bot."""
    body = _bot(bot_id, condition_id) | {"bot_type": bot_type, "bot_config": bot_config or {}}
    if policy is not None:
        body["policy"] = msgspec.to_builtins(policy)
    return Call("POST", "/conditions/subscribe", reader(Subscribed), as_json(body))


def unsubscribe(bot_id: str, condition_id: str) -> Call[bool]:
    """End a subscription; whether there was one."""
    body = as_json(_bot(bot_id, condition_id))
    return Call("POST", "/conditions/unsubscribe", done(Subscription), body, if_not_found=False)


def pause(bot_id: str, condition_id: str) -> Call[Subscription]:
    """Deliver nothing until :func:`resume`."""
    return Call("POST", "/conditions/pause", reader(Subscription), as_json(_bot(bot_id, condition_id)))


def resume(bot_id: str, condition_id: str) -> Call[Subscription]:
    """Deliver again."""
    return Call("POST", "/conditions/resume", reader(Subscription), as_json(_bot(bot_id, condition_id)))


def rearm(bot_id: str, condition_id: str) -> Call[Subscribed]:
    """The bot is ready for the next trigger."""
    return Call("POST", "/conditions/rearm", reader(Subscribed), as_json(_bot(bot_id, condition_id)))


def status(condition_id: str) -> Call[Status]:
    """Whether a condition is judged, how far, and what it has fired."""
    return Call("GET", f"/conditions/{path_part(condition_id)}/status", reader(Status))


def subscriptions(bot_id: str | None, cursor: str | None) -> Call[ResultPage[Subscription]]:
    """One page of the user's subscriptions."""
    query = {"bot_id": bot_id, "cursor": cursor, "limit": _LARGEST_PAGE}
    return Call("GET", "/conditions/user/subscriptions", reader(ResultPage[Subscription]), query=query)


def triggers_of(condition_id: str, cursor: str | None) -> Call[ResultPage[Trigger]]:
    """One page of a condition's triggers."""
    path = f"/conditions/{path_part(condition_id)}/triggers"
    return Call("GET", path, reader(ResultPage[Trigger]), query={"cursor": cursor})


def all_registered(results: Sequence[Registration | Refused]) -> list[Registration]:
    """The registrations; raises :class:`ConditionsRefused` if any condition was refused."""
    registered = [result if isinstance(result, Registration) else None for result in results]
    refused = {place: result.detail for place, result in enumerate(results) if isinstance(result, Refused)}
    if not refused:
        return [registration for registration in registered if registration is not None]
    place, detail = next(iter(refused.items()))
    raise ConditionsRefused(
        f"{len(refused)} of {len(results)} conditions were refused, the others are registered; the first one refused is"
        f" number {place}: {detail}",
        refused=refused,
        registered=registered,
    )


def _bot(bot_id: str, condition_id: str) -> dict[str, object]:
    return {"bot_id": bot_id, "condition_id": condition_id}


def reader(kind: type[T]) -> Callable[[httpx.Response], T]:
    """How an answer of a kind is read."""
    decoder = msgspec.json.Decoder(kind)
    return lambda response: decoder.decode(response.content)


def done(kind: type[object]) -> Callable[[httpx.Response], bool]:
    """True, if the answer is of a kind."""
    decoder = msgspec.json.Decoder(kind)
    return lambda response: isinstance(decoder.decode(response.content), kind)


def _read_registration(response: httpx.Response) -> Registration:
    answer = msgspec.json.decode(response.content, type=dict[str, object])
    if not isinstance(answer.get("condition_id"), str):
        raise msgspec.ValidationError("Object missing required field `condition_id`")
    return Registration(answer, created=response.status_code == httpx.codes.CREATED)


def _read_registrations(response: httpx.Response) -> list[Registration | Refused]:
    return [
        Refused(result.error or "no reason was given")
        if result.condition_id is None
        else Registration(
            {"condition_id": result.condition_id, "data": result.data, "warnings": result.warnings},
            created=result.created,
        )
        for result in msgspec.json.decode(response.content, type=_BulkAnswer).results
    ]
