"""Answers about the service itself."""

from typing import Annotated, Literal

from pydantic import Field

from api.bodies.answers import Answer


class LiveAnswer(Answer):
    """The process is running."""

    status: Literal["ok"]


class CheckAnswer(Answer):
    """One thing that readiness depends on."""

    ok: bool
    detail: str


class ReadyAnswer(Answer):
    """Whether requests can be served, and how recent the last tick is."""

    status: Literal["ok", "degraded", "unavailable"]
    store: CheckAnswer
    event_log: CheckAnswer
    loops: CheckAnswer
    conditions_in_error: Annotated[int, Field(description="Conditions that cannot be judged; their status says why")]
    last_tick_age_s: Annotated[
        float | None, Field(description="Seconds since the newest judged candle closed; null before the first tick")
    ]
