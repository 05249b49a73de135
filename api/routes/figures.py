"""Figures for operators: the same as on the dashboard and in the metrics, from the same operations of the store."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import Query, Response

from analysis.savings import STAGES, summarise
from api.bodies.figure_answers import (
    ConditionRow,
    ConditionRows,
    HistoryAnswer,
    PeriodAnswer,
    SavingsAnswer,
    SizeAnswer,
    TimeAnswer,
    UnitCostsAnswer,
    UsageAnswer,
    UsagePage,
    WorkAnswer,
)
from api.http.openapi import problems
from api.http.responding import respond
from api.http.routing import HubRequest, hub_router
from api.routes.parameters import Limit
from api.service import Service
from common.timeframes import to_ms
from registry.store.parts.condition_pages import ConditionOrder, ConditionQuery

router = hub_router("figures")
_OPERATORS: dict[str, Any] = {"x-rate-class": "read", "x-operators-only": True}
_LATEST_MS = 4_102_444_800_000
_Since = Annotated[
    int | None, Query(ge=0, le=_LATEST_MS, description="Only hours of judging from this time on, rounded down (ms)")
]
_Until = Annotated[int | None, Query(ge=0, le=_LATEST_MS, description="Only hours that begin before this time (ms)")]
_Offset = Annotated[int, Query(ge=0, le=100_000_000, description="How many to leave out from the beginning")]
_Names = Annotated[list[str], Query(max_length=64)]


@router.get("/savings", response_model=SavingsAnswer, responses=problems(403), openapi_extra=_OPERATORS)
async def savings(request: HubRequest, since: _Since = None, until: _Until = None) -> Response:
    """What sharing saved, in all or in a range: counted, measured and modelled, never mixed."""
    return respond(await request.service.figured(_savings, request.service, since, until))


@router.get("/savings/history", response_model=HistoryAnswer, responses=problems(403), openapi_extra=_OPERATORS)
async def history(
    request: HubRequest,
    by: Literal["hour", "day", "candle_day"] = "day",
    since: _Since = None,
    until: _Until = None,
) -> Response:
    """The same over time: by the hour or day of judging, or by the day on which the candles closed."""
    return respond(await request.service.figured(_history, request.service, by, since, until))


@router.get("/savings/users", response_model=UsagePage, responses=problems(403), openapi_extra=_OPERATORS)
async def users(request: HubRequest, limit: Limit = 100, offset: _Offset = 0) -> Response:
    """Whose bots want how much of the hub at the moment."""
    usages = await request.service.figured(request.service.store.registry.users, limit, offset)
    return respond(UsagePage(items=[UsageAnswer(**vars(each)) for each in usages]))


@router.get("/conditions", response_model=ConditionRows, responses=problems(403), openapi_extra=_OPERATORS)
async def conditions(
    request: HubRequest,
    search: Annotated[str, Query(max_length=200, description="Words of the text, or beginnings of ids")] = "",
    symbol: _Names = [],  # noqa: B006 - FastAPI copies it
    timeframe: _Names = [],  # noqa: B006
    state: Annotated[list[Literal["judged", "idle", "err", "retired"]], Query(max_length=4)] = [],  # noqa: B006
    health: Annotated[list[Literal["ok", "stale", "err", "unknown"]], Query(max_length=4)] = [],  # noqa: B006
    order: ConditionOrder = "subscribers",
    descending: bool = True,
    limit: Limit = 100,
    offset: _Offset = 0,
) -> Response:
    """The registered conditions, searched and ordered, a page at a time."""
    query = ConditionQuery(
        search, tuple(symbol), tuple(timeframe), tuple(state), tuple(health), order, descending, limit, offset
    )
    matches = await request.service.figured(request.service.store.registry.condition_page, query)
    times = pl.col("last_trigger", "judged_until").dt.epoch("ms")
    rows = matches.rows.rename({"text": "condition"}).with_columns(times).iter_rows(named=True)
    return respond(ConditionRows(matching=matches.matching, items=[ConditionRow(**row) for row in rows]))


def _savings(service: Service, since_ms: int | None, until_ms: int | None) -> SavingsAnswer:
    store = service.store
    total, costs = summarise(store, since_ms=since_ms, until_ms=until_ms), store.ticks.unit_costs()
    return SavingsAnswer(
        since=since_ms,
        until=until_ms,
        ticks=total.ticks,
        evaluations=WorkAnswer(
            isolated=total.isolated_evaluations, equal_sharing=total.evaluations, done=total.evaluations
        ),
        indicators=WorkAnswer(
            isolated=total.isolated_indicators, equal_sharing=total.equal_sharing_indicators, done=total.indicators
        ),
        loads=WorkAnswer(isolated=total.isolated_loads, equal_sharing=total.equal_sharing_loads, done=total.loads),
        measured=TimeAnswer(
            isolated_s=total.measured_isolated_s, shared_s=total.measured_shared_s, saved_share=total.measured_share
        ),
        modelled=TimeAnswer(
            isolated_s=total.modelled_isolated_s, shared_s=total.modelled_shared_s, saved_share=total.modelled_share
        ),
        unit_costs=None if costs is None else UnitCostsAnswer(**vars(costs)),
    )


def _history(
    service: Service, by: Literal["hour", "day", "candle_day"], since_ms: int | None, until_ms: int | None
) -> HistoryAnswer:
    ticks = service.store.ticks
    return HistoryAnswer(
        by=by,
        periods=[
            PeriodAnswer(
                start=to_ms(row["start"]),
                timeframe=row["timeframe"],
                ticks=row["ticks"],
                late=row["late"],
                triggers=row["triggers"],
                evaluations=WorkAnswer(
                    isolated=row["subscriptions"], equal_sharing=row["conditions"], done=row["conditions"]
                ),
                indicators=WorkAnswer(
                    isolated=row["isolated_indicators"],
                    equal_sharing=row["equal_sharing_indicators"],
                    done=row["indicators"],
                ),
                loads=WorkAnswer(
                    isolated=row["isolated_loads"], equal_sharing=row["equal_sharing_loads"], done=row["series"]
                ),
                shared_s=sum(row[name] for name in STAGES) / 1e6,
            )
            for row in ticks.totals(by, since_ms=since_ms, until_ms=until_ms).iter_rows(named=True)
        ],
        sizes=[
            SizeAnswer(at=to_ms(row.pop("noted_at")), **row)
            for row in ticks.registry_sizes(since_ms=since_ms, until_ms=until_ms).iter_rows(named=True)
        ],
    )
