"""Answers about what can be used, and about the service itself."""

from typing import Annotated, Literal

from pydantic import Field

from api.bodies.answers import Answer


class ParameterAnswer(Answer):
    """A parameter of an indicator; bounds are inclusive."""

    name: str
    default: float
    low: float
    high: float
    whole: bool


class OutputAnswer(Answer):
    """An output of an indicator; its range where it has one, and the value that it swings around."""

    name: str
    low: float | None
    high: float | None
    centre: float | None


class IndicatorAnswer(Answer):
    """An entry of the catalogue."""

    name: str
    title: str
    aliases: list[str]
    inputs: list[str]
    parameters: list[ParameterAnswer]
    outputs: list[OutputAnswer]
    default_output: str | None
    version: int
    lookback: Annotated[int, Field(description="Candles before the first value, with default parameters")]
    settle: Annotated[int, Field(description="Candles until another start changes nothing, with default parameters")]


class IndicatorsAnswer(Answer):
    """The whole catalogue."""

    items: list[IndicatorAnswer]


class SeriesAnswer(Answer):
    """The stored candles of one timeframe."""

    timeframe: str
    first_open_time: int
    last_close_time: int
    candles: int
    stale: Annotated[bool, Field(description="Its newest candle closed more than two timeframes ago")]


class InstrumentAnswer(Answer):
    """An instrument and how fresh its candles are."""

    instrument: str
    exchange: str
    symbol: str
    calendar: Literal["24x7", "sessions"]
    series: list[SeriesAnswer]


class InstrumentPage(Answer):
    """Instruments by name."""

    items: list[InstrumentAnswer]
    next_cursor: str | None


class LiveAnswer(Answer):
    """The process runs."""

    status: Literal["ok"]


class CheckAnswer(Answer):
    """One thing that readiness depends on."""

    ok: bool
    detail: str


class ReadyAnswer(Answer):
    """Whether requests can be served, and how fresh the ticks are."""

    status: Literal["ok", "degraded", "unavailable"]
    store: CheckAnswer
    event_log: CheckAnswer
    last_tick_age_s: Annotated[
        float | None, Field(description="Since the newest judged candle closed; null before the first")
    ]


class ProblemItem(Answer):
    """One thing that was wrong with a request."""

    pointer: Annotated[str | None, Field(description="JSON pointer into the body")] = None
    parameter: Annotated[str | None, Field(description="Name of the query parameter, header or path part")] = None
    detail: str


class Problem(Answer):
    """RFC 9457 problem details."""

    type: Annotated[str, Field(examples=["urn:condition-hub:problem:invalid-condition"])]
    title: str
    status: int
    detail: str
    request_id: str
    errors: Annotated[list[ProblemItem], Field(description="What was wrong, piece by piece; may be empty")]
