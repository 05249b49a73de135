"""The hub's answers as types. Times are milliseconds since the epoch, UTC; ``None`` is what is not known.

What it says about one condition, explanations and previews, is in :mod:`condition_hub.explanation`.
"""

from collections.abc import ItemsView, KeysView, Mapping
from typing import Any, Literal

import msgspec

from condition_hub.explanation import Now


class HubAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What all answers have in common; fields that this client does not know are ignored."""


class Registration(str):
    """A registered condition: its id, and, by name, every field of the hub's answer.

        result = await register_condition("BTCUSDT 1h: rsi(14) < 30")
        result                    # "a80e6b…": can be used wherever a condition id is wanted
        result["condition_id"]    # the same
        result["settled_at"]      # a field of the answer; also result.answer["settled_at"]

    ``answer`` has the fields ``condition_id condition canonical exchange symbol timeframe series momentary
    definition_versions active_from data settled_at warnings``; from :meth:`HubClient.register_many` only
    ``condition_id data warnings``. ``created`` is false if an equal condition was registered before.
    """

    answer: Mapping[str, Any]
    created: bool

    def __new__(cls, answer: Mapping[str, Any], *, created: bool) -> "Registration":
        made = super().__new__(cls, answer["condition_id"])
        made.answer = answer
        made.created = created
        return made

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is valid and probably not meant, and whether candles are missing, each in one sentence."""
        missing = ("a series of the condition has no candles yet, so it cannot fire",)
        return (*(missing if self.answer.get("data") == "missing" else ()), *self.answer.get("warnings", ()))

    @property
    def condition_id(self) -> str:
        """The id as a plain ``str``."""
        return str.__str__(self)

    def __getitem__(self, name: Any) -> Any:
        """A field by its name; a character or a slice of the id by its position, as for any string."""
        return self.answer[name] if isinstance(name, str) else super().__getitem__(name)

    def keys(self) -> KeysView[str]:
        """The names of the fields: ``dict(registration)`` and ``**registration`` work."""
        return self.answer.keys()

    def items(self) -> ItemsView[str, Any]:
        """Names and values of the fields."""
        return self.answer.items()

    def __reduce__(self) -> tuple[Any, ...]:
        return _registration, (dict(self.answer), self.created)


def _registration(answer: Mapping[str, Any], created: bool) -> Registration:
    return Registration(answer, created=created)


class Policy(HubAnswer, frozen=True, kw_only=True):
    """Which triggers reach the bot; every field has a default."""

    cooldown_s: int = 0
    """Least time between the closes of two delivered triggers."""
    max_fires: int | None = None
    """The subscription ends after this many triggers; 1 means once."""
    expires_at: int | None = None
    """Triggers that close later are not delivered; by default the hub sets a year from now."""
    max_lag_s: int | None = None
    """Triggers whose candle closed longer ago than this are skipped."""
    settled_only: bool = False
    """Only triggers whose indicators had settled."""
    fire_if_true: bool = False
    """Deliver at once if the condition is TRUE when subscribing."""
    while_true: bool = False
    """Arming again delivers at once if the condition is still TRUE."""


class Subscription(HubAnswer, frozen=True, kw_only=True):
    """A condition's triggers go to one of the user's bots."""

    bot_id: str
    condition_id: str
    bot_type: str
    state: Literal["active", "paused", "ended"]
    policy: Policy
    active_from: int
    """Only triggers that close later are delivered."""
    created_at: int
    revision: int
    replaces: list[str] = []
    """Conditions that it was a subscription of before upgrades of the hub, oldest first."""


class Subscribed(Subscription, frozen=True, kw_only=True):
    """A subscription, and what its condition is now; ``deliver`` asks the bot to act on ``trigger_id`` at once."""

    now: Now
    deliver: bool
    trigger_id: str | None
    superseded_by: str | None = None
    """The condition that stands for the one that was asked for, since an upgrade of the hub: ``condition_id``."""


class Status(HubAnswer, frozen=True, kw_only=True):
    """Whether a condition is judged, how far, and what it has fired."""

    condition_id: str
    condition: str
    canonical: str
    exchange: str
    symbol: str
    timeframe: str
    series: list[str]
    momentary: bool
    definition_versions: str
    active_from: int
    data: Literal["ready", "missing"]
    settled_at: int | None
    warnings: list[str] = []
    state: Literal["judged", "err", "retired", "superseded"] = "judged"
    """``err``: the hub cannot judge it; ``retired``: an operator has taken it out; ``superseded``: another condition
    stands for it since an upgrade of the hub."""
    superseded_by: str | None = None
    """That condition."""
    reason: str | None = None
    """Why it is not judged."""
    state_since: int | None = None
    active: bool
    """Whether candles that close now can trigger it."""
    active_until: int | None
    judged_until: int | None
    """Close time of the newest judged candle."""
    triggers: int
    last_trigger: int | None
    last_seq: int | None
    subscribers: int | None


class Notice(HubAnswer, frozen=True, kw_only=True):
    """What an upgrade of the hub did to a condition of one of the user's bots."""

    notice_id: str
    """The same however often it is told."""
    bot_id: str
    condition_id: str
    superseded_by: str | None
    """The condition that the bot's subscription has moved to; ``None``: it cannot be judged any more."""
    reason: str


class Trigger(HubAnswer, frozen=True, kw_only=True):
    """A condition that fired on a candle, exactly as it is published."""

    trigger_id: str
    """The same on every delivery: act on it once."""
    seq: int
    """Increases over the triggers of all conditions."""
    condition_id: str
    exchange: str
    symbol: str
    timeframe: str
    open_time: int
    close_time: int
    values: dict[str, float | None]
    price: float
    settled: bool
    late: bool
    definition_version: str
    emitted_at: int


class BacktestResult(HubAnswer, frozen=True, kw_only=True):
    """What a condition would have done on stored candles, with costs, and whether chance gives as much."""

    condition_id: str
    condition: str
    rules: str
    """How its triggers were traded."""
    figures: dict[str, Any]
    forward: list[dict[str, Any]]
    """Returns after so many candles, beside those of any candle."""
    cautions: list[str]
    """Why not to trust it."""
    lines: list[str]
    """The same as text for people."""


class Checked(HubAnswer, frozen=True, kw_only=True):
    """What a condition means, whether or not it is registered; with an ``error`` it is not valid."""

    condition_id: str | None
    known: bool
    """Whether it is registered."""
    condition: str | None
    canonical: str | None
    series: list[str]
    momentary: bool | None
    error: str | None
    data: Literal["ready", "missing"] | None
    warnings: list[str]


class HubWebhook(HubAnswer, frozen=True, kw_only=True):
    """An address that triggers are posted to."""

    webhook_id: str
    url: str
    """With the names of its secrets, if it has any."""
    bot_id: str | None
    """``None``: for all of the user's bots."""
    state: Literal["active", "paused", "ended"]
    created_at: int
    name: str | None = None
    preset: str | None = None
    headers: list[str] = []
    """Names of its own headers."""
    secrets: list[str] = []
    """Names of its secrets."""
    body: Any = None
    """Its template; ``None``: the standard body."""
    secret: str | None = None
    """Signs the posts; only where it has just been made."""


class WebhookPreview(HubAnswer, frozen=True, kw_only=True):
    """What a webhook would post about an event that is made up, secrets as ``***``, and what it would change."""

    webhook_id: str | None
    """The webhook that would be changed; ``None``: a new one."""
    changes: list[str]
    url: str
    headers: dict[str, str]
    media_type: str
    body: str


class WebhookPreset(HubAnswer, frozen=True, kw_only=True):
    """What to post to one kind of receiver."""

    name: str
    text: str
    options: dict[str, str]
    """Name -> what it is."""
    defaults: dict[str, str]
    """The options that may be left out."""
    secrets: dict[str, str]
    """Name -> what it is."""
