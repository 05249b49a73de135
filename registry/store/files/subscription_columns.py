"""The newest revisions of all subscriptions as columns of numbers: some 70 bytes each, where objects take 500."""

from array import array
from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar, get_args

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
        """Take up subscriptions that there were not, with the columns of :class:`StoredSubscription` and of its policy,
        ``content`` and ``config_change``."""
        before = len(self)
        users = self.users.of_all(frame["user_id"].to_list())
        self.bot.extend(self.bots.of_all(list(zip(users, frame["bot_id"].to_list(), strict=True))))
        self.condition.extend(self.conditions.of_all(frame["condition_id"].to_list()))
        self._bot_type.extend(self._bot_types.of_all(frame["bot_type"].to_list()))
        policies = frame.select(POLICY_FIELDS).rows()
        policy_of = {values: self._policies.of(DeliveryPolicy(*values)) for values in dict.fromkeys(policies)}
        self._policy.extend(map(policy_of.__getitem__, policies))
        self.state.extend(map(_STATES.index, frame["state"].to_list()))
        for column, name, kind in (
            (self._active_from, "active_from_ms", np.int64),
            (self._created, "created_ms", np.int64),
            (self._revision, "revision", np.int32),
            (self.config_bytes, "config_bytes", np.int32),
            (self._content, "content", np.uint64),
            (self._config_change, "config_change", np.int64),
            (self.change, "change", np.int64),
        ):
            column.frombytes(frame[name].fill_null(0).to_numpy().astype(kind).tobytes())
        for place in frame["moved_to"].is_not_null().arg_true():
            self.moved_to[before + place] = self.conditions.of(frame["moved_to"][place])

    def numbers(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int8]]:
        """User, bot, condition and state of all rows, as they are."""
        owners = np.array([user for user, _ in self.bots.names], np.int32)
        bots = np.array(self.bot, np.int32)
        return owners[bots], bots, np.array(self.condition, np.int32), np.array(self.state, np.int8)
