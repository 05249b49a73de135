"""The newest revisions of all subscriptions as columns of numbers: some 70 bytes each, where objects take 500."""

from array import array
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from registry.store.parts.registry import StoredSubscription, SubscriptionState
from registry.subscriptions import POLICY_FIELDS, DeliveryPolicy

_STATES: tuple[SubscriptionState, ...] = get_args(SubscriptionState)
ENDED = _STATES.index("ended")
ACTIVE = _STATES.index("active")
_NUMBER_OF_STATE = {state: number for number, state in enumerate(_STATES)}
_LOW = (1 << 32) - 1
_NOWHERE = -1

_Name = TypeVar("_Name", bound=Hashable)


class SubscriptionEntry(NamedTuple):
    """The newest revision of a subscription, and what else the owner has to know about it."""

    subscription: StoredSubscription
    content: int | None
    """Digest of the request; ``None`` if it comes from an older schema."""
    config_change: int
    """The change that set its configuration, which finds it quickly in the file; 0 if it has ended."""


class Numbers(Generic[_Name]):
    """Numbers for names, from 0 on, in the order in which they first came."""

    def __init__(self) -> None:
        self._numbers: dict[_Name, int] = {}
        self.names: list[_Name] = []

    def get(self, name: _Name) -> int | None:
        """The number of a name; ``None`` if it has none."""
        return self._numbers.get(name)

    def get_all(self, names: Iterable[_Name]) -> "list[int | None]":
        """The numbers of many names; ``None`` for those that have none."""
        return list(map(self._numbers.get, names))

    def of(self, name: _Name) -> int:
        """The number of a name, which gets one if it has none."""
        number = self._numbers.get(name)
        if number is None:
            # First the name: who sees the number finds it.
            self.names.append(name)
            number = self._numbers[name] = len(self.names) - 1
        return number

    def of_all(self, names: Sequence[_Name]) -> list[int]:
        """The numbers of many names, of which many are equal."""
        numbers = self._numbers
        for name in dict.fromkeys(names):
            if name not in numbers:
                self.of(name)
        return list(map(numbers.__getitem__, names))


class SubscriptionColumns:
    """A row is a subscription. Written by one thread at a time, and not read meanwhile."""

    def __init__(self) -> None:
        self.users, self.conditions = Numbers[str](), Numbers[str]()
        self.bots = Numbers[tuple[int, str]]()
        """User and name of a bot."""
        self._bot_types, self._policies = Numbers[str](), Numbers[DeliveryPolicy]()
        self.bot, self.condition = array("i"), array("i")
        self._bot_type, self._policy, self.state = array("i"), array("i"), array("b")
        self._active_from, self._created = array("q"), array("q")
        self._revision, self.change, self.config_bytes = array("i"), array("q"), array("i")
        self._content, self._config_change = array("Q"), array("q")
        """Of the contents, 0 stands for none. That of a request is a digest: that it is 0 will not happen, and would
        only have the request written once more when it is repeated."""
        self.moved_to: dict[int, int] = {}
        """Row -> the condition that superseded its own."""

    def __len__(self) -> int:
        return len(self.change)

    def user(self, row: int) -> int:
        """The number of the user of a row."""
        return self.bots.names[self.bot[row]][0]

    def users_of(self, rows: Sequence[int]) -> list[int]:
        """The numbers of the users of rows."""
        bot, names = self.bot, self.bots.names
        return [names[bot[row]][0] for row in rows]

    def key(self, user_id: str, bot_id: str, condition_id: str) -> int | None:
        """The number that stands for a user's bot and a condition; ``None`` if there can be no such subscription."""
        user, condition = self.users.get(user_id), self.conditions.get(condition_id)
        bot = None if user is None else self.bots.get((user, bot_id))
        return None if bot is None or condition is None else bot << 32 | condition

    def known_keys(self, names: Sequence[tuple[str, str, str]]) -> list[int | None]:
        """What :meth:`key` says of many users, bots and conditions."""
        users = self.users.get_all([user_id for user_id, _, _ in names])
        # A user without a number has no bots.
        bots = self.bots.get_all([(user or 0, name[1]) for user, name in zip(users, names, strict=True)])
        conditions = self.conditions.get_all([condition_id for _, _, condition_id in names])
        return [
            None if user is None or bot is None or condition is None else bot << 32 | condition
            for user, bot, condition in zip(users, bots, conditions, strict=True)
        ]

    def keys(self, subscriptions: Sequence[StoredSubscription]) -> list[int]:
        """The numbers that stand for users' bots and conditions, as of :meth:`key`; names get numbers that have
        none."""
        users = self.users.of_all([each.user_id for each in subscriptions])
        bots = self.bots.of_all(list(zip(users, [each.bot_id for each in subscriptions], strict=True)))
        conditions = self.conditions.of_all([each.condition_id for each in subscriptions])
        return [bot << 32 | condition for bot, condition in zip(bots, conditions, strict=True)]

    def append(self, keys: Sequence[int], entries: Sequence[SubscriptionEntry]) -> None:
        """Take up subscriptions that there were not, with their numbers."""
        first = len(self)
        subscriptions, contents, config_changes = zip(*entries, strict=True)
        self.bot.extend([key >> 32 for key in keys])
        self.condition.extend([key & _LOW for key in keys])
        self._bot_type.extend(self._bot_types.of_all([each.bot_type for each in subscriptions]))
        # Equal ones are mostly one object: the store makes them from the same requests.
        policies = {id(each.policy): self._policies.of(each.policy) for each in subscriptions}
        self._policy.extend([policies[id(each.policy)] for each in subscriptions])
        self.state.extend([_NUMBER_OF_STATE[each.state] for each in subscriptions])
        self._active_from.extend([each.active_from_ms for each in subscriptions])
        self._created.extend([each.created_ms for each in subscriptions])
        self._revision.extend([each.revision for each in subscriptions])
        self.config_bytes.extend([each.config_bytes for each in subscriptions])
        self._content.extend([content or 0 for content in contents])
        self._config_change.extend(config_changes)
        self.change.extend([each.change for each in subscriptions])
        for row, each in enumerate(subscriptions, first):
            if each.moved_to is not None:
                self.moved_to[row] = self.conditions.of(each.moved_to)

    def put(self, row: int, entry: SubscriptionEntry) -> None:
        """Take over a new revision."""
        subscription = entry.subscription
        self._bot_type[row] = self._bot_types.of(subscription.bot_type)
        self._policy[row] = self._policies.of(subscription.policy)
        self.state[row] = _NUMBER_OF_STATE[subscription.state]
        self._active_from[row], self._created[row] = subscription.active_from_ms, subscription.created_ms
        self._revision[row], self.change[row] = subscription.revision, subscription.change
        self.config_bytes[row] = subscription.config_bytes
        self._content[row], self._config_change[row] = entry.content or 0, entry.config_change
        if subscription.moved_to is None:
            self.moved_to.pop(row, None)
        else:
            self.moved_to[row] = self.conditions.of(subscription.moved_to)

    def subscription(self, row: int) -> StoredSubscription:
        """The newest revision of a row."""
        user, bot_id = self.bots.names[self.bot[row]]
        moved_to = self.moved_to.get(row) if self.moved_to else None
        return StoredSubscription(
            user_id=self.users.names[user],
            bot_id=bot_id,
            condition_id=self.conditions.names[self.condition[row]],
            bot_type=self._bot_types.names[self._bot_type[row]],
            policy=self._policies.names[self._policy[row]],
            state=_STATES[self.state[row]],
            active_from_ms=self._active_from[row],
            created_ms=self._created[row],
            revision=self._revision[row],
            change=self.change[row],
            config_bytes=self.config_bytes[row],
            moved_to=None if moved_to is None else self.conditions.names[moved_to],
        )

    def entry(self, row: int) -> SubscriptionEntry:
        """The newest revision of a row, and what else is known of it."""
        return SubscriptionEntry(self.subscription(row), self._content[row] or None, self._config_change[row])

    def extend(self, frame: pl.DataFrame) -> None:
        """Take up revisions as rows, with the columns of :class:`StoredSubscription` and of its policy, and
        ``content``; ``config_bytes`` is null where a revision brought no configuration, or it has been dropped."""
        before = len(self)
        users = _numbered(frame.select("user_id"), self.users)
        bots = _numbered(pl.DataFrame([users.alias("user"), frame["bot_id"]]), self.bots)
        policies = frame.select(POLICY_FIELDS)
        config_change = pl.when(pl.col("config_bytes").is_not_null()).then("change").otherwise(0)
        for column, values, kind in (
            (self.bot, bots, np.int32),
            (self.condition, _numbered(frame.select("condition_id"), self.conditions), np.int32),
            (self._bot_type, _numbered(frame.select("bot_type"), self._bot_types), np.int32),
            (self._policy, _numbered(policies, self._policies, lambda values: DeliveryPolicy(*values)), np.int32),
            (self.state, frame["state"].replace_strict(_NUMBER_OF_STATE, return_dtype=pl.Int8), np.int8),
            (self._active_from, frame["active_from_ms"], np.int64),
            (self._created, frame["created_ms"], np.int64),
            (self._revision, frame["revision"], np.int32),
            (self.config_bytes, frame["config_bytes"].fill_null(0), np.int32),
            (self._content, frame["content"].fill_null(0), np.uint64),
            (self._config_change, frame.select(config_change).to_series(), np.int64),
            (self.change, frame["change"], np.int64),
        ):
            column.frombytes(values.to_numpy().astype(kind).tobytes())
        for place in frame["moved_to"].is_not_null().arg_true():
            self.moved_to[before + place] = self.conditions.of(frame["moved_to"][place])

    def keep_newest(self) -> list[int]:
        """Make the rows of revisions those of subscriptions: of each, the newest revision, with the configuration that
        was set last. They come in the order in which they were requested.

        Returns the changes that brought configurations which nobody needs any more.
        """
        if not len(self):
            return []
        changes, states = np.array(self.change, np.int64), np.array(self.state, np.int8)
        created, config_changes = np.array(self._created, np.int64), np.array(self._config_change, np.int64)
        keys = np.array(self.bot, np.int64) << 32 | np.array(self.condition, np.int64)
        order = np.lexsort((changes, keys))
        begins = np.flatnonzero(np.diff(keys[order], prepend=-1))
        oldest, newest = order[begins], order[np.append(begins[1:], len(order)) - 1]
        has_ended = states[newest] == ENDED
        # Where the newest configuration of each is, in the order by subscription and change.
        has_config = config_changes[order] > 0
        places = np.maximum.reduceat(np.where(has_config, np.arange(len(order)), _NOWHERE), begins)
        places[has_ended] = _NOWHERE
        is_needed = np.zeros(len(order), np.bool_)
        is_needed[places[places != _NOWHERE]] = True
        surplus: list[int] = config_changes[order][has_config & ~is_needed].tolist()
        sources = np.where(places == _NOWHERE, newest, order[places])
        has_one = np.where(places == _NOWHERE, 0, 1)
        by_request = np.lexsort((changes[oldest], created[newest]))
        self._reorder(newest[by_request], sources[by_request], has_one[by_request])
        return surplus

    def _reorder(self, rows: NDArray[np.int64], config_rows: NDArray[np.int64], has_config: NDArray[np.int64]) -> None:
        """Keep some rows, each with the configuration of another, if it has one."""
        for name in ("bot", "condition", "_bot_type", "_policy", "state", "_active_from", "_created", "_revision",
                     "_content", "change"):  # fmt: skip
            column = getattr(self, name)
            setattr(self, name, array(column.typecode, np.frombuffer(column, column.typecode)[rows].tobytes()))
        for name in ("config_bytes", "_config_change"):
            column = getattr(self, name)
            values = np.frombuffer(column, column.typecode)[config_rows] * has_config
            setattr(self, name, array(column.typecode, values.astype(column.typecode).tobytes()))
        if self.moved_to:
            place_of = dict(zip(rows.tolist(), range(len(rows)), strict=True))
            self.moved_to = {place_of[row]: to for row, to in self.moved_to.items() if row in place_of}

    def numbers(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int8]]:
        """User, bot, condition and state of all rows, as they are."""
        owners = np.array([user for user, _ in self.bots.names], np.int32)
        bots = np.array(self.bot, np.int32)
        return owners[bots], bots, np.array(self.condition, np.int32), np.array(self.state, np.int8)


def _numbered(
    rows: pl.DataFrame, numbers: Numbers[Any], named: Callable[[tuple[Any, ...]], Any] | None = None
) -> pl.Series:
    """The number of each row's name, which gets one if it has none: the value of a single column, the values of
    several, or what is ``named`` by these. Equal rows are looked up once."""
    distinct = rows.unique(maintain_order=True)
    names = distinct.to_series().to_list() if rows.width == 1 else distinct.rows()
    places = pl.Series("number", numbers.of_all(list(map(named, names)) if named else names), pl.Int32)
    numbered = distinct.with_columns(places)
    return rows.join(numbered, on=rows.columns, how="left", nulls_equal=True, maintain_order="left")["number"]
