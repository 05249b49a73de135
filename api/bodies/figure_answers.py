"""Figures for operators: what sharing saved, and which conditions and users there are."""

from typing import Annotated, Literal

from pydantic import Field

from api.bodies.answers import Answer


class WorkAnswer(Answer):
    """One kind of work, counted."""

    isolated: Annotated[int, Field(description="What bots that share nothing would have done")]
    equal_sharing: Annotated[int, Field(description="The same if only equal conditions were shared")]
    done: Annotated[int, Field(description="What the hub did")]


class TimeAnswer(Answer):
    """Time for the same verdicts, in seconds."""

    isolated_s: Annotated[
        float | None, Field(description="Of bots that share nothing; null before isolated evaluations were measured")
    ]
    shared_s: Annotated[float, Field(description="Of the hub")]
    saved_share: Annotated[float | None, Field(description="The share that was saved, up to 1")]


class UnitCostsAnswer(Answer):
    """What the parts of an isolated evaluation cost, on average, in microseconds."""

    sample: Annotated[int, Field(description="Isolated evaluations that were really done")]
    load_us: float
    indicator_us: float
    check_us: float


class SavingsAnswer(Answer):
    """What sharing saved in the hours that begin in a range; null where the range is open."""

    since: int | None
    until: int | None
    ticks: int
    evaluations: WorkAnswer
    indicators: WorkAnswer
    loads: WorkAnswer
    measured: Annotated[
        TimeAnswer,
        Field(description="Timed stages; isolated bots: their counted work times the unit costs measured here"),
    ]
    modelled: Annotated[TimeAnswer, Field(description="100 ms a load, 50 ms an indicator, 10 ms a check")]
    unit_costs: UnitCostsAnswer | None


class PeriodAnswer(Answer):
    """What was done in an hour or a day for one timeframe, and what isolated bots would have done."""

    start: int
    timeframe: str
    ticks: int
    late: Annotated[int, Field(description="Ticks that were judged a candle late or later")]
    triggers: int
    evaluations: WorkAnswer
    indicators: WorkAnswer
    loads: WorkAnswer
    shared_s: Annotated[float, Field(description="Time of the hub")]


class SizeAnswer(Answer):
    """What was registered and wanted at a time."""

    at: int
    conditions: int
    subscribed: Annotated[int, Field(description="Conditions with an active subscription")]
    subscriptions: int
    users: int
    bots: int


class HistoryAnswer(Answer):
    """Figures over time, oldest first."""

    by: Literal["hour", "day", "candle_day"]
    periods: list[PeriodAnswer]
    sizes: Annotated[list[SizeAnswer], Field(description="Noted with the first tick of each hour")]


class UsageAnswer(Answer):
    """What a user's bots want of the hub."""

    user_id: str
    bots: int
    subscriptions: int
    conditions: int
    evaluations_per_day: Annotated[float, Field(description="What these bots would evaluate by themselves")]


class UsagePage(Answer):
    """The users with active subscriptions, those who would evaluate most by themselves first."""

    items: list[UsageAnswer]


class ConditionRow(Answer):
    """A condition in a list."""

    condition_id: str
    condition: str
    symbol: str
    timeframe: str
    state: Literal["judged", "idle", "err", "retired"]
    health: Literal["ok", "stale", "err", "unknown"] | None
    subscribers: int
    triggers: int
    last_trigger: int | None
    judged_until: int | None


class ConditionRows(Answer):
    """A page of the conditions that match."""

    matching: Annotated[int, Field(description="How many match in all")]
    items: list[ConditionRow]
