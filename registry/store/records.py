"""What goes into the store and what comes out of it. Times are milliseconds since the epoch, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

import polars as pl

from registry.subscriptions import DeliveryPolicy, check_name

Calendar = Literal["24x7", "sessions"]
"""When an instrument trades: always, or in sessions with closed markets between them."""


@dataclass(frozen=True)
class UpsertCounts:
    """What happened to the candles of one upsert."""

    inserted: int = 0
    unchanged: int = 0
    replaced: int = 0
    """Stored before, not yet judged, and different: the new version is the candle."""
    revised: int = 0
    """Judged already, or judged as missing: kept as a revision, the judged version stays."""


@dataclass(frozen=True)
class Registration:
    """The answer to registering a condition."""

    condition_id: str
    created: bool
    """False when an equal condition was registered before."""


@dataclass(frozen=True, slots=True)
class StoredCondition:
    """A registered condition."""

    condition_id: str
    canonical: str
    text: str
    exchange: str
    symbol: str
    timeframe: str
    group_key: str
    """The series that it reads, its base first, joined by `` + ``: the group whose watermark it follows."""
    definition_versions: str
    active_from_ms: int


GRACE_MS = 24 * 3_600_000
"""How long a condition without a subscription is judged on, where nothing else is said."""


@dataclass(frozen=True)
class ActiveSpan:
    """Candles that close after ``from_ms`` and by ``until_ms`` (``None``: on and on) can trigger a condition."""

    from_ms: int
    until_ms: int | None


SubscriptionState = Literal["active", "paused", "ended"]


@dataclass(frozen=True)
class SubscriptionRequest:
    """A user's bot that wants a condition's triggers. ``bot_config`` is private to the user.

    Raises :class:`common.errors.SubscriptionError` for names that cannot be.
    """

    user_id: str
    bot_id: str
    condition_id: str
    bot_type: str
    bot_config: Mapping[str, object] = field(repr=False)
    policy: DeliveryPolicy = field(default_factory=DeliveryPolicy)

    def __post_init__(self) -> None:
        for name in ("user_id", "bot_id", "bot_type"):
            check_name(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class Subscription:
    """A user's bot that gets a condition's triggers; unique by user, bot and condition."""

    user_id: str
    bot_id: str
    condition_id: str
    bot_type: str
    policy: DeliveryPolicy
    state: SubscriptionState
    """Of a paused one the condition is judged on, and nothing is delivered."""
    active_from_ms: int
    """Only triggers that close after it are delivered."""
    created_ms: int
    """When it was asked for; anew after it had ended."""
    revision: int
    change: int
    """Grows over all subscriptions with every revision: how far a reader of changes has come."""


@dataclass(frozen=True)
class Subscribed:
    """The answer to one request."""

    subscription: Subscription
    created: bool
    """There was none, or it had ended."""
    changed: bool


@dataclass(frozen=True, slots=True)
class ConditionState:
    """What a condition has done so far."""

    triggers: int = 0
    last_close_ms: int | None = None
    last_seq: int | None = None


@dataclass(frozen=True)
class LogReading:
    """How far the event log is at one moment."""

    read_ms: int
    stored_seq: int
    """``seq`` of the newest trigger."""
    published_seq: int
    """``seq`` of the newest event."""
    events: int
    """That the stream holds."""
    bytes: int
    """Of memory that the stream takes."""
    lags: Mapping[str, int]
    """Consumer group -> events that it has not applied."""


@dataclass(frozen=True)
class Move:
    """One group's watermark from one close time to the next; ``from_ms`` is ``None`` before its first tick."""

    group: str
    from_ms: int | None
    to_ms: int


def series_of(group: str) -> list[str]:
    """The series of a group's name, its base first."""
    return group.split(" + ")


def stored_series(series: str, built_from: str | None) -> str:
    """The stored series that a series is made of: itself, or that of the timeframe it is built from."""
    return series if built_from is None else f"{series.rsplit(' ', 1)[0]} {built_from}"


@dataclass(frozen=True)
class Anchor:
    """The first candle that a series is judged from, and what the series is made of; the newest one counts."""

    series: str
    open_ms: int
    built_from: str | None
    """The timeframe that it is built from; ``None``: its own candles."""
    rebase: int
    """The rebase that set it; 0 for the series' first tick."""
    created_ms: int | None
    """When it was set; ``None`` for those of older schemas."""

    @property
    def stored(self) -> str:
        """The stored series that the series is made of."""
        return stored_series(self.series, self.built_from)


@dataclass(frozen=True)
class Rebase:
    """The wish to judge series from corrected candles: the newest revisions of ``stored`` become its candles, and all
    series that are made of it get new anchors."""

    series: str
    """The series that was asked for."""
    stored: str
    anchors: Mapping[str, int]
    built_from: Mapping[str, str]
    """Those of ``anchors`` that are built."""


@dataclass(frozen=True)
class TickMetrics:
    """What a tick did and what isolated bots would have done for the same verdicts. Column names of table ``ticks``.

    ``isolated_*``: one bot a subscription, nothing shared. ``equal_sharing_*``: equal conditions are judged once, but
    each of them loads its candles and computes its indicators by itself. The plain ones were really done.
    """

    subscriptions: int
    conditions: int
    indicators: int
    series: int
    isolated_indicators: int
    isolated_loads: int
    equal_sharing_indicators: int
    equal_sharing_loads: int
    load_us: int
    indicators_us: int
    judge_us: int


@dataclass(frozen=True)
class TickRecord:
    """Everything that one tick writes, in one transaction or not at all.

    ``triggers`` has the columns of table ``condition_triggers`` without ``seq`` and ``emitted_at``; times zoned UTC.
    ``holes`` are (stored series, open time) judged as missing; ``anchors`` the first judged open time of new series,
    ``built_from`` those of them that are built and the timeframe that they are built from. ``rebase`` is the last
    rebase by then: a tick from before it is refused. ``registry_version`` is that of the conditions that were
    judged: the tick is refused if others of its groups became active on its candle in the meantime. ``token`` names
    this attempt: a record that comes a second time, because the first answer was lost, gets that answer.
    """

    timeframe: str
    close_time_ms: int
    late: bool
    moves: tuple[Move, ...]
    triggers: pl.DataFrame
    holes: tuple[tuple[str, int], ...]
    anchors: Mapping[str, int]
    metrics: TickMetrics
    built_from: Mapping[str, str] = field(default_factory=dict)
    rebase: int = 0
    registry_version: int | None = None
    token: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True)
class RunRecord:
    """One flow run that advanced at least one tick."""

    run_id: str
    timeframe: str
    tick_ms: int
    ticks: int
    triggers: int
    prepare_us: int
    record_us: int
    publish_us: int


@dataclass(frozen=True)
class UnitCosts:
    """Mean microseconds of the parts of an isolated evaluation, from ``sample`` ones that were really done."""

    sample: int
    load_us: float
    indicator_us: float
    check_us: float


@dataclass(frozen=True)
class Backup:
    """A copy of the store that was made."""

    folder: str
    bytes: int
    rows: int


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at in the store."""

    subject: str
    """What has to hold."""
    problem: str | None
    """How it does not; ``None``: it does."""
    mend: str | None
    """What to do about the problem."""
