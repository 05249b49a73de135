"""Triggers: of one condition, of a user's subscriptions, and live."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import polars as pl
from fastapi import Header, Query, Response

from api.bodies.answers import TriggerPage, TriggersAfter
from api.bodies.patterns import SEQ
from api.http.admission import Caller
from api.http.openapi import problems
from api.http.problems import ProblemError
from api.http.routing import HubRequest, hub_router
from api.routes.parameters import AllTriggers, BotQuery, ConditionPath, Limit, SeqCursor
from api.service import Service
from api.streams.event_stream import EventStreamResponse
from events.log.payload import Entry, entries_of
from registry.store.parts.registry import UpgradeNotice, moved_subscriptions

router = hub_router("triggers")
_AfterSeq = Annotated[int, Query(ge=0, le=2**62, description="Only triggers with a higher seq")]


@router.get(
    "/conditions/{condition_id}/triggers",
    response_model=TriggerPage,
    responses=problems(404),
    openapi_extra={"x-rate-class": "read"},
)
async def triggers_of(
    condition_id: ConditionPath, request: HubRequest, cursor: SeqCursor = None, limit: Limit = 100
) -> Response:
    """The triggers of a condition, newest first.

    Where an upgrade of the hub gave the condition another id, these are the triggers from before it.
    """
    service = request.service
    successor, superseded_by = service.current(condition_id)
    service.stored(successor)
    before = None if cursor is None else int(cursor)
    rows = await service.in_store(service.store.triggers.of, condition_id, limit + 1, before)
    entries = entries_of(rows.head(limit))
    following = str(entries[-1].seq) if rows.height > limit else None
    return _respond(entries, next_cursor=following, superseded_by=superseded_by)


@router.get("/triggers", response_model=TriggersAfter, responses=problems(403), openapi_extra={"x-rate-class": "read"})
async def triggers(
    request: HubRequest,
    after_seq: _AfterSeq = 0,
    bot_id: BotQuery = None,
    limit: Limit = 100,
    everything: AllTriggers = False,
) -> Response:
    """Triggers of the caller's subscriptions after a `seq`, oldest first. This is how a bot catches up."""
    service, caller = request.service, request.caller
    _check_everything(everything, caller)
    wanted = None if everything else _wanted(service, caller, bot_id)
    newest = service.store.triggers.last_seq()
    if wanted == {}:
        return _respond((), after_seq=max(after_seq, newest), more=False)
    conditions = None if wanted is None else list(wanted)
    rows: pl.DataFrame = await service.in_store(service.store.triggers.after, after_seq, limit, conditions)
    more = rows.height == limit
    entries = entries_of(rows)
    # No further trigger can get a seq up to `newest`; later ones may be among the rows.
    reached = entries[-1].seq if more else max(after_seq, newest, *(entry.seq for entry in entries[-1:]))
    if wanted is not None:
        closes = rows["close_time"].dt.epoch("ms")
        entries = [
            entry for entry, close_ms in zip(entries, closes, strict=True) if close_ms > wanted[entry.condition_id]
        ]
    return _respond(entries, after_seq=reached, more=more)


@router.get(
    "/events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}, **problems(403)},
    openapi_extra={"x-rate-class": "stream"},
)
async def events(
    request: HubRequest,
    bot_id: BotQuery = None,
    after_seq: Annotated[
        int | None, Query(ge=0, le=2**62, description="The same as Last-Event-ID, which takes precedence")
    ] = None,
    everything: AllTriggers = False,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", pattern=SEQ, description="seq of the last event seen")
    ] = None,
) -> Response:
    """Triggers of the caller's active subscriptions as server-sent events, starting after the last one seen.

    Each has the trigger's `seq` as its `id` and the trigger as its `data`. A comment is sent every 15 seconds. A reader
    that is too slow is disconnected; if it reconnects with `Last-Event-ID`, it misses nothing. Events named `notice`
    say what an upgrade of the hub did to conditions of the caller's bots since the last event seen.
    """
    service, caller = request.service, request.caller
    _check_everything(everything, caller)
    most = service.settings.api_streams_per_user
    begin = after_seq if last_event_id is None else int(last_event_id)
    registry, notices = service.store.registry, list[UpgradeNotice]()
    if begin is not None and not everything:
        missed = await service.in_store(registry.notices_of, caller.user_id, begin)
        notices = [notice for notice in missed if bot_id in (None, notice.bot_id)]
    if service.user_feed.streams_of(caller.user_id) >= most:
        # Looked at last: nothing else can open a stream between this and the opening.
        raise ProblemError(
            429, "too-many-streams", f"a user may have {most} open streams", headers={"Retry-After": "5"}
        )
    stream = service.user_feed.open(
        caller.user_id, caller.key_id, bot_id, begin, everything=everything, notices=notices
    )
    return EventStreamResponse(service.user_feed, stream, service.request_metrics)


def _check_everything(everything: bool, caller: Caller) -> None:
    if everything and not caller.is_operator:
        raise ProblemError(403, "operators-only", "all=true is for operators; leave it out for your own subscriptions")


def _wanted(service: Service, caller: Caller, bot_id: str | None) -> dict[str, int]:
    """Condition -> the earliest close time after which one of the caller's bots wants its triggers."""
    wanted: dict[str, int] = {}
    for subscription in service.store.registry.subscriptions_of(caller.user_id):
        if bot_id is None or subscription.bot_id == bot_id:
            earliest = wanted.get(subscription.condition_id, subscription.active_from_ms)
            wanted[subscription.condition_id] = min(earliest, subscription.active_from_ms)
    for was, _ in moved_subscriptions(service.store.registry, caller.user_id):
        if bot_id is None or was.bot_id == bot_id:
            wanted[was.condition_id] = min(wanted.get(was.condition_id, was.active_from_ms), was.active_from_ms)
    return wanted


def _respond(entries: Sequence[Entry], **more: object) -> Response:
    """Triggers, byte for byte as they are published, and the other fields of the page."""
    body = {"items": [msgspec.Raw(entry.payload) for entry in entries], **more}
    return Response(msgspec.json.encode(body), media_type="application/json")
