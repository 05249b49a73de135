"""What conditions can be made of: indicators and instruments."""

from fastapi import Response

from api.bodies.catalogue_answers import (
    IndicatorAnswer,
    IndicatorsAnswer,
    InstrumentAnswer,
    InstrumentPage,
    OutputAnswer,
    ParameterAnswer,
    SeriesAnswer,
)
from api.http.responding import page, respond
from api.http.routing import HubRequest, hub_router
from api.routes.parameters import Cursor, Limit
from api.service import Service
from candles.calendars import stored_calendars
from common.timeframes import DURATION_MS, to_ms
from indicators.catalogue import Indicator, catalogue
from registry.groups import Series
from registry.instruments import Listing

router = hub_router("catalogue")
_READ = {"x-rate-class": "read"}


@router.get("/indicators", response_model=IndicatorsAnswer, openapi_extra=_READ)
async def indicators() -> Response:
    """All indicators with their parameters, bounds and outputs."""
    return respond(IndicatorsAnswer(items=[_indicator(record) for record in catalogue().values()]))


@router.get("/instruments", response_model=InstrumentPage, openapi_extra=_READ)
async def instruments(request: HubRequest, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """The instruments that conditions may name, with their stored candles and how recent they are."""
    service = request.service
    answers = await service.in_store(_instruments, service)
    items, following = page(answers, lambda answer: answer.instrument, cursor, limit)
    return respond(InstrumentPage(items=items, next_cursor=following))


def _indicator(record: Indicator) -> IndicatorAnswer:
    defaults = record.complete({})
    return IndicatorAnswer(
        name=record.name,
        title=record.title,
        aliases=list(record.aliases),
        inputs=list(record.inputs),
        takes_source=record.has_source,
        parameters=[
            ParameterAnswer(name=one.name, default=one.default, low=one.low, high=one.high, whole=one.whole)
            for one in record.parameters
        ],
        outputs=[
            OutputAnswer(name=one.name, low=one.low, high=one.high, centre=one.centre, may_be_source=record.has_source)
            for one in record.outputs
        ],
        default_output=record.default_output,
        version=record.version,
        lookback=record.lookback(defaults),
        settle=record.settle(defaults),
    )


def _instrument(listing: Listing) -> InstrumentAnswer:
    one, (base, quote) = listing.instrument, listing.pair or (None, None)
    return InstrumentAnswer(
        instrument=str(one),
        exchange=one.exchange,
        symbol=one.symbol,
        kind=one.kind,
        base=base,
        quote=quote,
        settle=one.settle,
        expiry=None if one.expiry is None else one.expiry.isoformat(),
        aliases=list(listing.aliases),
        calendar=listing.calendar,
        grid=str(listing.grid),
        series=[],
    )


def _instruments(service: Service) -> list[InstrumentAnswer]:
    now_ms, calendars = service.clock.now_ms(), stored_calendars(service.store)
    answers = {str(one.instrument): _instrument(one) for one in service.store.candles.listings()}
    for row in service.store.candles.series().iter_rows(named=True):
        name = f"{row['exchange']}:{row['symbol']}"
        if row["candles"]:
            last_close = calendars.of(Series.parse(row["series"])).close(to_ms(row["last_open_time"]))
            answers[name].series.append(
                SeriesAnswer(
                    timeframe=row["timeframe"],
                    first_open_time=to_ms(row["first_open_time"]),
                    last_close_time=last_close,
                    candles=row["candles"],
                    stale=now_ms - last_close > 2 * DURATION_MS[row["timeframe"]],
                )
            )
    for answer in answers.values():
        answer.series.sort(key=lambda series: DURATION_MS[series.timeframe])
    return list(answers.values())
