"""Answers about what conditions can be made of: indicators and instruments."""

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
    """An output of an indicator; its range, if it has one, and the value it oscillates around."""

    name: str
    low: float | None
    high: float | None
    centre: float | None
    may_be_source: Annotated[bool, Field(description="Whether another indicator can be computed from it")]


class IndicatorAnswer(Answer):
    """An entry of the catalogue."""

    name: str
    title: str
    aliases: list[str]
    inputs: list[str]
    takes_source: Annotated[
        bool,
        Field(description="Whether it can be computed from any price, from arithmetic, or from another indicator"),
    ]
    parameters: list[ParameterAnswer]
    outputs: list[OutputAnswer]
    default_output: str | None
    version: int
    lookback: Annotated[int, Field(description="Candles before the first value, with default parameters")]
    settle: Annotated[
        int,
        Field(description="Candles until the value no longer depends on the first candle, with default parameters"),
    ]


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
    kind: Literal["spot", "perpetual", "dated"]
    base: Annotated[str | None, Field(description="Null where it is not known; both null for what has no quote")]
    quote: str | None
    settle: Annotated[str | None, Field(description="What a contract is settled in, where it is not the quote")]
    expiry: Annotated[str | None, Field(description="The day on which it expires: 2025-03-28")]
    aliases: Annotated[list[str], Field(description="Other names that conditions may use for it")]
    calendar: Literal["24x7", "sessions"]
    grid: Annotated[str, Field(description="Where its candles begin: UTC, or another zone and start of the day")]
    series: Annotated[list[SeriesAnswer], Field(description="Its stored candles; empty while there are none")]


class InstrumentPage(Answer):
    """Instruments, ordered by name."""

    items: list[InstrumentAnswer]
    next_cursor: str | None
