"""The hub's operations without the network: what each sends and how its answer is read. Both clients use them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from common.errors import ConditionsRefused
from common.timeframes import Moment, read_moment
from registry.client.bodies import as_json
from registry.client.problems import refusal, unreadable
from registry.client.results import (
    BacktestResult,
    Checked,
    Policy,
    Registration,
    Status,
    Subscribed,
    Subscription,
    Trigger,
)
from registry.conditions import Condition
from registry.defaults import current_defaults
from registry.explanation import Explanation, Preview
from registry.language.as_text import text

ConditionLike = Condition | Mapping[str, object] | str
"""A condition: parsed, as JSON, or as text."""

_MOST_IN_BULK = 1000
_LARGEST_BULK = 1_000_000
_LARGEST_PAGE = 500
"""How many conditions, and how many bytes of them, go into one request."""

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

    def result(self, response: httpx.Response) -> T_co:
        """The result of an answer; raises :class:`common.errors.ApiError` if it is a refusal or cannot be read."""
        if not response.is_success:
            raise refusal(response)
        try:
            return self.read(response)
        except msgspec.MsgspecError as error:
            raise unreadable(response, error) from error


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
    spelled = _spelled(condition)
    body = as_json({"condition": spelled} if isinstance(spelled, str) else spelled)
    return Call("POST", "/conditions/register", _read_registration, body)


def register_bulks(conditions: Iterable[ConditionLike]) -> Iterator[Call[list[Registration | Refused]]]:
    """Register any number of conditions, in requests small enough for the hub."""
    for body in _bulk_bodies(conditions):
        yield Call("POST", "/conditions/register/bulk", _read_registrations, body)


def check_bulks(conditions: Iterable[ConditionLike]) -> Iterator[Call[list[Checked]]]:
    """What any number of conditions mean, in requests small enough for the hub."""
    read = reader(_CheckAnswer)
    for body in _bulk_bodies(conditions):
        yield Call("POST", "/conditions/check", lambda response: read(response).results, body)


def subscribe(
    bot_id: str, condition_id: str, bot_type: str, bot_config: Mapping[str, object] | None, policy: Policy | None
) -> Call[Subscribed]:
    """Subscribe a bot."""
    body = _bot(bot_id, condition_id) | {"bot_type": bot_type, "bot_config": bot_config or {}}
    if policy is not None:
        body["policy"] = msgspec.to_builtins(policy)
    return Call("POST", "/conditions/subscribe", reader(Subscribed), as_json(body))


def unsubscribe(bot_id: str, condition_id: str) -> Call[Subscription]:
    """End a subscription."""
    return Call("POST", "/conditions/unsubscribe", reader(Subscription), as_json(_bot(bot_id, condition_id)))


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
    return Call("GET", f"/conditions/{_part(condition_id)}/status", reader(Status))


def subscriptions(bot_id: str | None, cursor: str | None) -> Call[ResultPage[Subscription]]:
    """One page of the user's subscriptions."""
    query = {"bot_id": bot_id, "cursor": cursor, "limit": _LARGEST_PAGE}
    return Call("GET", "/conditions/user/subscriptions", reader(ResultPage[Subscription]), query=query)


def triggers_of(condition_id: str, cursor: str | None) -> Call[ResultPage[Trigger]]:
    """One page of a condition's triggers."""
    path = f"/conditions/{_part(condition_id)}/triggers"
    return Call("GET", path, reader(ResultPage[Trigger]), query={"cursor": cursor})


def preview(condition: ConditionLike, start: Moment | None, end: Moment | None, last: int) -> Call[Preview]:
    """How often and when a condition would have fired."""
    span = {"start": read_moment(start), "end": read_moment(end)}
    body = {"condition": _spelled(condition), "last": last} | {name: at for name, at in span.items() if at is not None}
    return Call("POST", "/conditions/preview", reader(Preview), as_json(body))


def backtest(
    condition: ConditionLike,
    exit: ConditionLike | None,
    start: Moment | None,
    end: Moment | None,
    rules: Mapping[str, object],
) -> Call[BacktestResult]:
    """What a condition would have done."""
    span = {"start": read_moment(start), "end": read_moment(end)}
    body: dict[str, object] = {"condition": _spelled(condition)}
    if exit is not None:
        body["exit"] = _spelled(exit)
    body |= {name: value for name, value in {**span, **rules}.items() if value is not None}
    return Call("POST", "/conditions/backtest", reader(BacktestResult), as_json(body))


def explain(condition_id: str, at: Moment | None) -> Call[Explanation]:
    """Why a condition fires on a candle, or why it does not."""
    return Call("GET", f"/conditions/{_part(condition_id)}/explain", reader(Explanation), query={"at": read_moment(at)})


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


def _spelled(condition: ConditionLike) -> Mapping[str, object] | str:
    """A condition as the hub reads it, with the symbol and timeframe of ``defaults`` where it names none."""
    if isinstance(condition, Condition):
        return str(condition)
    ambient = current_defaults()
    if isinstance(condition, str):
        if ambient.symbol is None or ambient.timeframe is None or text.names_series(condition):
            return condition
        return {"symbol": ambient.symbol, "timeframe": ambient.timeframe, "when": condition}
    if "condition" in condition:
        return condition
    missing = {"symbol": ambient.symbol, "timeframe": ambient.timeframe}
    return dict(condition) | {
        name: value for name, value in missing.items() if value is not None and condition.get(name) is None
    }


def _bulk_bodies(conditions: Iterable[ConditionLike]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for spelled in map(as_json, map(_spelled, conditions)):
        if len(waiting) == _MOST_IN_BULK or size + len(spelled) > _LARGEST_BULK:
            yield _bulk(waiting)
            waiting, size = [], 0
        waiting.append(spelled)
        size += len(spelled) + 1
    if waiting:
        yield _bulk(waiting)


def _bulk(spelled: Sequence[bytes]) -> bytes:
    return b'{"conditions":[' + b",".join(spelled) + b"]}"


def _bot(bot_id: str, condition_id: str) -> dict[str, object]:
    return {"bot_id": bot_id, "condition_id": condition_id}


def _part(condition_id: str) -> str:
    """An id as one segment of a path, whatever its characters."""
    return quote(condition_id, safe="")


def reader(kind: type[T]) -> Callable[[httpx.Response], T]:
    """How an answer of a kind is read."""
    decoder = msgspec.json.Decoder(kind)
    return lambda response: decoder.decode(response.content)


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
