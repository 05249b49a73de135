"""Conditions and subscriptions: what the store keeps of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from common.errors import ConditionError
from common.timeframes import show_time
from registry.activity import GRACE_MS, ActiveSpan
from registry.conditions import Condition
from registry.groups import Group, Series
from registry.language.definitions import are_current
from registry.language.packed import Unreadable, unpack
from registry.language.tree import is_momentary
from registry.quotas import ConditionQuota, SubscriptionQuota
from registry.shards import Shard
from registry.store.parts.condition_pages import ConditionPage, ConditionQuery, UserUsage, WantedGroup
from registry.subscriptions import DeliveryPolicy, check_name


@dataclass(frozen=True)
class RegisterResult:
    """The answer to registering a condition."""

    condition_id: str
    created: bool
    """False if an equal condition was registered before."""


@dataclass(frozen=True, slots=True)
class StoredCondition:
    """A registered condition."""

    condition_id: str
    canonical: str
    text: str
    exchange: str
    symbol: str
    timeframe: str
    group: Group
    """The series that it reads: its watermark is the group's."""
    definition_versions: str
    active_from_ms: int
    packed: bytes = field(default=b"", repr=False)
    """Its trees (:mod:`registry.language.packed`); empty where only the texts are stored."""


def read_condition(stored: StoredCondition) -> Condition:
    """The condition that a store has; raises :class:`common.errors.ConditionError` if it cannot be read any more.

    Its trees are taken as they are stored. Where that cannot be done, its short text is read if it still has the
    condition's id, else the canonical one, which decides.
    """
    try:
        tree, surface = unpack((stored.condition_id, stored.canonical, stored.text), stored.packed)
    except Unreadable:
        return _read_texts(stored)
    if not are_current(stored.definition_versions):
        return _read_texts(stored)
    return Condition(
        stored.condition_id,
        stored.canonical,
        stored.group.base,
        tree,
        surface,
        stored.definition_versions,
        is_momentary(tree),
        stored.group.series,
        stored.text,
    )


def _read_texts(stored: StoredCondition) -> Condition:
    condition = Condition.from_short(stored.text, stored.condition_id) or Condition.from_canonical(stored.canonical)
    if condition.id != stored.condition_id:
        raise ConditionError(
            f"its id is {stored.condition_id}, but its canonical text has the id {condition.id} in this version of the"
            " hub, which computes an indicator in another way; register it again and subscribe to the new id"
        )
    return condition


UnjudgedState = Literal["err", "retired"]
"""``err``: a tick could not judge it; ``retired``: an operator has taken it out."""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Why a registered condition is not judged, and since when."""

    state: UnjudgedState
    reason: str
    since_ms: int


def retired_text(condition_id: str, why: Unjudged) -> str:
    """Why a condition can be neither registered nor subscribed to."""
    return (
        f"condition {condition_id} was retired by an operator of the hub at {show_time(why.since_ms)}: {why.reason};"
        " use another condition, or ask the operator to reinstate it"
    )


@dataclass(frozen=True, slots=True)
class Superseded:
    """A condition that has another id since an upgrade of the hub changed a formula of it, or the language."""

    condition: StoredCondition
    """As it was."""
    superseded_by: str
    """The id of the condition that stands for it today."""
    reason: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class UpgradeNotice:
    """What an upgrade of the hub did to a condition of one of a user's bots."""

    notice_id: str
    """The same whenever it is told: ``superseded`` or ``unreadable``, condition, user and bot, joined by colons; names
    are percent-encoded."""
    seq: int
    """Where it belongs among the triggers; none has this number."""
    user_id: str
    bot_id: str
    condition_id: str
    superseded_by: str | None
    """The condition that the bot's subscription has moved to; ``None``: it cannot be judged any more."""
    reason: str


SubscriptionState = Literal["active", "paused", "ended"]
THIN = 5
"""A condition with fewer users than this is not called popular: a smaller number would tell who they are."""


@dataclass(frozen=True)
class SubscriptionRequest:
    """A user's bot that wants a condition's triggers. ``bot_config`` is private to the user.

    Raises :class:`common.errors.SubscriptionError` for malformed names.
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
class StoredSubscription:
    """A user's bot that gets a condition's triggers; unique by user, bot and condition."""

    user_id: str
    bot_id: str
    condition_id: str
    bot_type: str
    policy: DeliveryPolicy
    state: SubscriptionState
    """While it is paused, the condition continues to be judged, but nothing is delivered."""
    active_from_ms: int
    """Only triggers that close after it are delivered."""
    created_ms: int
    """When it was requested; set anew if it is requested again after it ended."""
    revision: int
    change: int
    """Numbers the revisions of all subscriptions in one sequence; readers of changes remember how far they have got."""
    config_bytes: int = 0
    """How long its configuration is as JSON; 0 once it has ended, as the configuration is dropped then."""
    moved_to: str | None = None
    """It ended because its condition was superseded: the bot's subscription of this condition goes on in its place."""


@dataclass(frozen=True)
class SubscriptionRecord:
    """A subscription, even if it has ended, with its private configuration if that has not been removed."""

    subscription: StoredSubscription
    bot_config: dict[str, object] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class SubscribeResult:
    """The answer to one request."""

    subscription: StoredSubscription
    created: bool
    """True if there was none, or it had ended."""
    changed: bool


@dataclass(frozen=True)
class RegistryChanges:
    """What changed since a version of the registry, for one worker."""

    version: int
    """The version that it leads to."""
    is_complete: bool
    """Whether it is all that there is, because what changed since is not known."""
    conditions: list[StoredCondition]
    """Those that are new, or are judged at other times; oldest change first."""
    activity: Mapping[str, tuple[ActiveSpan, ...]]
    """When these are judged, oldest span first."""
    subscribers: Mapping[str, int]
    """Condition -> number of its active subscriptions, where that may have changed."""


class RegistryStore(Protocol):
    """Conditions and subscriptions."""

    def register(
        self,
        conditions: Sequence[Condition],
        *,
        active_from_ms: int,
        grace_ms: int = GRACE_MS,
        registered_by: Mapping[str, str] | None = None,
        quota: ConditionQuota | None = None,
    ) -> list[RegisterResult]:
        """Add conditions. Raises :class:`common.errors.InstrumentError` for unknown instruments,
        :class:`common.errors.ConditionRetired` for a condition that an operator has retired,
        :class:`common.errors.ConditionError` for one that could not be read back, and
        :class:`common.errors.QuotaExceeded` if they are too many for one of their users; then nothing is written.

        Whether new or known, each is judged for the grace time, and longer if somebody subscribes to it.
        ``registered_by`` has the users to whom new conditions are counted, by condition id.
        """
        ...

    def config_bytes(self, user_id: str) -> int:
        """Bytes of the configurations of a user's subscriptions that have not ended."""
        ...

    def subscribe(
        self,
        requests: Sequence[SubscriptionRequest],
        *,
        active_from_ms: int,
        quota: SubscriptionQuota | None = None,
    ) -> list[SubscribeResult]:
        """Add or renew subscriptions; returns one answer per request, in their order.

        Their conditions continue to be judged, or are judged again. Repeating a request changes nothing, except that it
        resumes a paused subscription. Raises :class:`common.errors.SubscriptionError` for a configuration that cannot
        be JSON, :class:`common.errors.ConditionRetired` for a condition that an operator has retired,
        :class:`common.errors.QuotaExceeded` if they are too many or too large for their user, and
        :class:`common.errors.StoreError` for a condition that is not registered; then nothing is written.
        """
        ...

    def unsubscribe(
        self, user_id: str, bot_id: str, condition_id: str, *, at_ms: int, grace_ms: int = GRACE_MS
    ) -> bool:
        """End a subscription. Returns whether there was one. After a condition's last one, its grace time begins."""
        ...

    def set_paused(
        self, user_id: str, bot_id: str, condition_id: str, paused: bool, *, at_ms: int
    ) -> StoredSubscription | None:
        """Pause or resume a subscription; ``None`` if there is none. A resumed one is active from ``at_ms`` on."""
        ...

    def report_errors(self, errors: Mapping[str, str], judged_again: Sequence[str] = ()) -> list[str]:
        """Note why conditions cannot be judged (id -> reason), and which ones can be again.

        From then on a condition in error is not judged. Judged again, it continues where it stopped, unless its group
        has come further. Returns those that were not in error before; unknown and retired ones are left as they are.
        """
        ...

    def retire(self, condition_id: str, why: str, *, at_ms: int) -> Unjudged:
        """Take a condition out: it is judged no longer, and can be neither registered nor subscribed to.

        Its triggers and subscriptions stay. Retiring it again changes the reason. Raises
        :class:`common.errors.StoreError` for a condition that is not registered and for a reason that is empty or has
        more than 500 characters.
        """
        ...

    def reinstate(self, condition_id: str, *, active_from_ms: int, grace_ms: int = GRACE_MS) -> bool:
        """Have a condition judged again that was retired or in error. Returns whether it was one of the two.

        Candles that closed before ``active_from_ms`` do not trigger a retired one. Raises
        :class:`common.errors.StoreError` for a condition that is not registered.
        """
        ...

    def unjudged(self) -> Mapping[str, Unjudged]:
        """Condition id -> why it is not judged, although it is registered."""
        ...

    def unjudged_of(self, condition_id: str) -> Unjudged | None:
        """Why a condition is not judged; ``None`` if it is, or is not registered."""
        ...

    def superseded(self, condition_id: str) -> Superseded | None:
        """What stands for a condition since an upgrade; ``None`` if it stands for itself, or was never registered."""
        ...

    def all_superseded(self) -> list[Superseded]:
        """All conditions that upgrades superseded, oldest first."""
        ...

    def successor(self, condition_id: str) -> str:
        """The id of the condition that stands for one today: of another one, if an upgrade superseded it."""
        ...

    def successors(self) -> Mapping[str, str]:
        """Superseded condition -> the one that stands for it today."""
        ...

    def notices_of(self, user_id: str, after_seq: int = 0) -> list[UpgradeNotice]:
        """What upgrades did to conditions of a user's bots, with a higher ``seq``, in order."""
        ...

    def moved_of(self, user_id: str) -> list[StoredSubscription]:
        """Subscriptions of a user that ended because they moved: triggers from before it have their condition's id."""
        ...

    def subscription(self, user_id: str, bot_id: str, condition_id: str) -> StoredSubscription | None:
        """A subscription that has not ended."""
        ...

    def subscriptions_of(self, user_id: str) -> list[StoredSubscription]:
        """Subscriptions of a user that have not ended, oldest first."""
        ...

    def bots_of(self, user_id: str) -> Mapping[str, int]:
        """The bots of a user -> how many of their subscriptions have not ended."""
        ...

    def subscribers_of(self, condition_id: str) -> list[StoredSubscription]:
        """Subscriptions to a condition that have not ended, oldest first."""
        ...

    def subscription_changes(self, after: int, limit: int) -> list[StoredSubscription]:
        """Subscriptions that changed after a change, ended ones too, each once, in the order of their newest change."""
        ...

    def last_change(self) -> int:
        """The number of the newest change, 0 before the first."""
        ...

    def bot_config(self, user_id: str, bot_id: str, condition_id: str) -> dict[str, object] | None:
        """The private configuration of a subscription that has not ended, for code that acts on behalf of its user."""
        ...

    def subscription_records(self, user_id: str) -> list[SubscriptionRecord]:
        """Everything about the subscriptions of a user, ended ones too, in the order of their newest change."""
        ...

    def forget_user(self, user_id: str, *, at_ms: int, grace_ms: int = GRACE_MS) -> int:
        """End all subscriptions of a user, and remove all of their configurations. Returns how many were ended.

        The names of the user and the bots stay in the ended subscriptions: readers of changes have to see their end.
        """
        ...

    def condition(self, condition_id: str) -> StoredCondition | None:
        """A registered condition; ``None`` for one that is superseded."""
        ...

    def conditions(self, timeframe: str | None = None) -> list[StoredCondition]:
        """Registered conditions, oldest first; without those that are superseded."""
        ...

    def changes_after(self, version: int, timeframe: str, shard: Shard | None = None) -> RegistryChanges:
        """What changed among the conditions of a timeframe after a version, with a ``shard`` among those of the shard
        alone; -1 stands for everything."""
        ...

    def condition_page(self, query: ConditionQuery) -> ConditionPage:
        """The conditions that somebody looks for, a page at a time."""
        ...

    def condition_counts(self) -> dict[str, int]:
        """How many conditions have each health, ``ok unknown err stale``, and each of the states that have none,
        ``idle retired``; together all of them. What they mean is said at :class:`ConditionQuery`."""
        ...

    def conditions_per_series(self) -> Mapping[Series, int]:
        """Series -> how many conditions are judged on its candles."""
        ...

    def conditions_on(self, series: Series) -> list[StoredCondition]:
        """The conditions that are judged on the candles of a series, in the order in which they were registered."""
        ...

    def wanted_groups(self) -> list[WantedGroup]:
        """The groups with conditions that are to be judged."""
        ...

    def users(self, limit: int, offset: int = 0) -> list[UserUsage]:
        """The users with active subscriptions, those who would evaluate most by themselves first: for the operator."""
        ...

    def activity(self) -> Mapping[str, tuple[ActiveSpan, ...]]:
        """Condition id -> when it is judged, oldest first; :mod:`registry.activity` reads it."""
        ...

    def activity_of(self, condition_id: str) -> tuple[ActiveSpan, ...]:
        """When a condition is judged, oldest first; empty for one that is not registered."""
        ...

    def subscriber_count(self, condition_id: str) -> int:
        """Number of active subscriptions of a condition."""
        ...

    def popularity(self, condition_id: str, user_id: str) -> int:
        """Number of users other than ``user_id`` who have active subscriptions of a condition, 0 while there are fewer
        than ``THIN``: what that user may know of the others."""
        ...

    def subscribers(self) -> Mapping[str, int]:
        """Condition id -> number of active subscriptions; conditions without one are absent."""
        ...

    def totals(self) -> dict[str, int]:
        """How many there are: ``conditions``; active ``subscriptions``, their ``users`` and ``bots``; ``subscribed``
        conditions, which have one; conditions ``in_error``, ``retired`` and ``superseded``."""
        ...

    def version(self) -> int:
        """Grows with every change to conditions or subscriptions, across restarts too."""
        ...


def moved_subscriptions(
    registry: RegistryStore, user_id: str
) -> Iterator[tuple[StoredSubscription, StoredSubscription]]:
    """Subscriptions of a user that moved and have not ended since: each as it was, and as it is.

    Triggers from before the move have the condition of the former, and are wanted from its ``active_from_ms`` on.
    """
    for was in registry.moved_of(user_id):
        now = registry.subscription(user_id, was.bot_id, registry.successor(was.condition_id))
        if now is not None:
            yield was, now
