"""All subscriptions in the owner's memory: by user, by condition, and in the order of their changes.

There may be a million of them, so they are columns of numbers, and a record is made of a row when it is read. Readers
in other threads see a subscription as it was before a commit or as it is after it.
"""

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from registry.store.files.row_chains import RowChains
from registry.store.files.subscription_columns import ACTIVE, ENDED, SubscriptionColumns, SubscriptionEntry
from registry.store.parts.registry import THIN, StoredSubscription

SubscriptionKey = tuple[str, str, str]
"""User, bot, condition."""

_AT_ONCE = 1_000
"""Records that a reader makes before a commit may go on, and rows that a commit writes before readers may."""

_Record = TypeVar("_Record")


class SubscriptionIndex:
    """Written by the holder of the write lock, read by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        """Of the columns and chains, for as long as a row is written or some rows are read."""
        self._columns = SubscriptionColumns()
        self._loaded_keys, self._loaded_rows = array("q"), array("i")
        """Keys of the subscriptions that were loaded, in ascending order, and their rows: a tenth of a dictionary."""
        self._rows: dict[int, int] = {}
        """Key of a later subscription -> its row."""
        self._of_user, self._of_condition = RowChains(), RowChains()
        """Subscriptions of a user, including ended ones; those of a condition that have not ended; oldest first."""
        self._changes = array("q"), array("i")
        """Numbers of changes, and the rows that changed; only the newest change of a subscription counts."""
        self._moved: dict[int, dict[int, None]] = {}
        """User -> the rows that ended because their condition was superseded."""
        self._size_of_user: Counter[int] = Counter()
        self._config_bytes: Counter[int] = Counter()
        """User -> bytes of all their configurations."""
        self._kept: Counter[int] = Counter()
        """Condition -> number of its subscriptions that have not ended."""
        self._active: Counter[int] = Counter()
        """Condition -> number of its active subscriptions."""
        self._active_of_bot: Counter[int] = Counter()
        self._active_bots_of_user: Counter[int] = Counter()
        self._active_total = 0
        self._popular: dict[int, Counter[int]] = {}
        """Condition -> its users -> how many of their subscriptions are active, for conditions that were asked for and
        have at least ``THIN`` active ones. Fewer subscriptions can only be of fewer users."""
        self.changed_users: set[str] = set()
        """Users whose active subscriptions have changed; who reads it takes them out."""
        self.changed_conditions: set[str] = set()
        """Conditions whose active subscriptions have changed, likewise."""

    def __len__(self) -> int:
        """Number of subscriptions, including ended ones."""
        return len(self._columns)

    def get(self, key: SubscriptionKey) -> SubscriptionEntry | None:
        """A subscription, even if it has ended."""
        row = self._row(self._columns.key(*key))
        if row is None:
            return None
        with self._lock:
            return self._columns.entry(row)

    def all_of_user(self, user_id: str) -> list[SubscriptionEntry]:
        """Subscriptions of a user, even if they have ended, in the order of their newest change."""
        rows = self._rows_of_user(user_id)
        return sorted(self._read(rows, self._columns.entry), key=lambda entry: entry.subscription.change)

    def of_user(self, user_id: str) -> list[StoredSubscription]:
        """Subscriptions of a user that have not ended, oldest first."""
        return _living(self._read(self._rows_of_user(user_id), self._columns.subscription))

    def active_of_user(self, user_id: str) -> Iterator[tuple[str, str]]:
        """Bot and condition of a user's active subscriptions."""
        columns = self._columns
        for row in self._rows_of_user(user_id):
            if columns.state[row] == ACTIVE:
                yield columns.bots.names[columns.bot[row]][1], columns.conditions.names[columns.condition[row]]

    def moved_of_user(self, user_id: str) -> list[StoredSubscription]:
        """Subscriptions of a user that ended because their condition was superseded, oldest first."""
        user = self._columns.users.get(user_id)
        with self._lock:
            rows = [] if user is None else list(self._moved.get(user, ()))
        moved = self._read(rows, self._columns.subscription)
        return sorted(moved, key=lambda subscription: subscription.change)

    def bots_of_user(self, user_id: str) -> dict[str, int]:
        """The bots of a user -> how many of their subscriptions have not ended."""
        columns = self._columns
        living = (columns.bot[row] for row in self._rows_of_user(user_id) if columns.state[row] != ENDED)
        return {columns.bots.names[bot][1]: count for bot, count in Counter(living).items()}

    def size_of_user(self, user_id: str) -> int:
        """Number of subscriptions of a user, including ended ones."""
        user = self._columns.users.get(user_id)
        return 0 if user is None else self._size_of_user[user]

    def config_bytes(self, user_id: str) -> int:
        """Bytes of the configurations of a user's subscriptions that have not ended."""
        user = self._columns.users.get(user_id)
        return 0 if user is None else self._config_bytes[user]

    def of_condition(self, condition_id: str) -> list[StoredSubscription]:
        """Subscriptions to a condition that have not ended, oldest first."""
        condition = self._columns.conditions.get(condition_id)
        with self._lock:
            rows = [] if condition is None else list(self._of_condition.rows(condition))
        return _living(self._read(rows, self._columns.subscription))

    def changed_after(self, change: int, limit: int) -> list[StoredSubscription]:
        """Subscriptions that changed after a change, in the order of their newest one."""
        changes, changed = self._changes
        columns, subscriptions = self._columns, list[StoredSubscription]()
        begin, end = bisect_right(changes, change), len(changes)
        for first in range(begin, end, _AT_ONCE):
            if len(subscriptions) >= limit:
                break
            places = range(first, min(first + _AT_ONCE, end))
            with self._lock:
                # One that changes meanwhile comes with its newest change, in the place of that.
                newest = [changed[place] for place in places if columns.change[changed[place]] == changes[place]]
                subscriptions += map(columns.subscription, newest[: limit - len(subscriptions)])
        return subscriptions

    @property
    def last_change(self) -> int:
        changes, _ = self._changes
        return changes[-1] if changes else 0

    def subscribers(self) -> dict[str, int]:
        """Condition -> number of its active subscriptions."""
        names = self._columns.conditions.names
        return {names[condition]: count for condition, count in self._active.copy().items() if count}

    def active(self, condition_id: str) -> int:
        """Number of active subscriptions of a condition."""
        condition = self._columns.conditions.get(condition_id)
        return 0 if condition is None else self._active[condition]

    def popularity(self, condition_id: str, user_id: str) -> int:
        """Number of users other than one who have active subscriptions of a condition; 0 if there are fewer than
        ``THIN``."""
        condition, user = self._columns.conditions.get(condition_id), self._columns.users.get(user_id)
        if condition is None or self._active[condition] < THIN:
            return 0
        with self._lock:
            users = self._popular.get(condition)
            if users is None:
                users = self._popular[condition] = self._count_users(condition)
            others = len(users) - (user in users)
        return others if others >= THIN else 0

    def kept(self, condition_id: str) -> int:
        """Number of subscriptions of a condition that have not ended."""
        condition = self._columns.conditions.get(condition_id)
        return 0 if condition is None else self._kept[condition]

    def totals(self) -> dict[str, int]:
        """``subscriptions users bots``, active ones, and the conditions that are ``subscribed`` by them."""
        return {
            "subscriptions": self._active_total,
            "users": len(self._active_bots_of_user),
            "bots": len(self._active_of_bot),
            "subscribed": len(self._active),
        }

    def rows_of(self, keys: Sequence[SubscriptionKey]) -> list[int | None]:
        """The rows of subscriptions, even of those that have ended; ``None`` where there is none."""
        return list(map(self._row, self._columns.known_keys(keys)))

    def put(self, entries: Sequence[SubscriptionEntry]) -> None:
        """Take over committed subscriptions, new ones and new revisions, in the order of their changes."""
        for begin in range(0, len(entries), _AT_ONCE):
            some = entries[begin : begin + _AT_ONCE]
            with self._lock:
                rows = self._take(some)
            # First the subscriptions, then their changes: a reader that sees a change finds the subscription.
            changes, changed = self._changes
            changed.extend(rows)
            changes.extend([entry.subscription.change for entry in some])
            if len(changes) > 2 * len(self._columns) + 1_000:
                self._drop_old_changes()

    def fill(self, frames: Iterable[pl.DataFrame]) -> list[int]:
        """Take over all revisions of a file, in any order, with the columns of :meth:`SubscriptionColumns.extend`.

        Returns the changes that brought configurations which nobody needs any more.
        """
        columns = self._columns
        for frame in frames:
            columns.extend(frame)
        surplus = columns.keep_newest()
        users, bots, conditions, states = columns.numbers()
        rows, is_kept, is_active = np.arange(len(columns), dtype=np.int32), states != ENDED, states == ACTIVE
        keys = bots.astype(np.int64) << 32 | conditions
        order = np.argsort(keys)
        self._loaded_keys = array("q", keys[order].tobytes())
        self._loaded_rows = array("i", rows[order].tobytes())
        self._of_user.fill(users, rows)
        self._of_condition.fill(conditions[is_kept], rows[is_kept])
        for row in columns.moved_to:
            self._moved.setdefault(columns.user(row), {})[row] = None
        sizes = np.zeros(len(columns.users.names), np.int64)
        np.add.at(sizes, users, np.array(columns.config_bytes, np.int64))
        self._config_bytes = Counter(dict(enumerate(sizes.tolist())))
        self._size_of_user = _counts(users)
        self._kept, self._active = _counts(conditions[is_kept]), _counts(conditions[is_active])
        self._active_of_bot = _counts(bots[is_active])
        self._active_bots_of_user = Counter(columns.bots.names[bot][0] for bot in self._active_of_bot)
        self._active_total = self._active.total()
        self.changed_users |= {columns.users.names[user] for user in self._active_bots_of_user}
        self.changed_conditions |= {columns.conditions.names[condition] for condition in self._active}
        self._set_changes(rows)
        return surplus

    def _take(self, entries: Sequence[SubscriptionEntry]) -> list[int]:
        """Take over subscriptions; their rows."""
        columns = self._columns
        rows: list[int] = []
        fresh: dict[int, SubscriptionEntry] = {}
        keys = columns.keys([entry.subscription for entry in entries])
        for key, entry in zip(keys, entries, strict=True):
            row = self._row(key)
            if row is None and key not in fresh:
                rows.append(len(columns) + len(fresh))
                fresh[key] = entry
                continue
            if fresh:
                self._append(fresh)
                fresh = {}
            row = self._rows[key] if row is None else row
            self._replace(row, entry)
            rows.append(row)
        if fresh:
            self._append(fresh)
        return rows

    def _append(self, fresh: Mapping[int, SubscriptionEntry]) -> None:
        """Take up subscriptions that there were not, by the numbers that stand for them."""
        columns, entries = self._columns, list(fresh.values())
        rows = range(len(columns), len(columns) + len(fresh))
        columns.append(list(fresh), entries)
        self._rows.update(zip(fresh, rows, strict=True))
        users, states = columns.users_of(rows), columns.state[rows.start :]
        self._size_of_user.update(users)
        for user, entry in zip(users, entries, strict=True):
            self._config_bytes[user] += entry.subscription.config_bytes
        self._of_user.append(users, rows)
        living = [row for row, state in zip(rows, states, strict=True) if state != ENDED]
        conditions = [columns.condition[row] for row in living]
        self._of_condition.append(conditions, living)
        self._kept.update(conditions)
        if columns.moved_to:
            for user, row in zip(users, rows, strict=True):
                if row in columns.moved_to:
                    self._moved.setdefault(user, {})[row] = None
        self._count_active([row for row in living if columns.state[row] == ACTIVE])

    def _count_active(self, rows: Sequence[int]) -> None:
        """Count rows that are new, and active."""
        columns = self._columns
        conditions, bots = [columns.condition[row] for row in rows], [columns.bot[row] for row in rows]
        users = columns.users_of(rows)
        self._active_total += len(rows)
        self.changed_users.update([columns.users.names[user] for user in users])
        self.changed_conditions.update([columns.conditions.names[condition] for condition in conditions])
        self._active.update(conditions)
        for condition, user in zip(conditions, users, strict=True) if self._popular else ():
            if (popular := self._popular.get(condition)) is not None:
                popular[user] += 1
        begun = [bot for bot in dict.fromkeys(bots) if bot not in self._active_of_bot]
        self._active_bots_of_user.update([columns.bots.names[bot][0] for bot in begun])
        self._active_of_bot.update(bots)

    def _replace(self, row: int, entry: SubscriptionEntry) -> None:
        """Take over a new revision of a row."""
        columns = self._columns
        before, user = columns.state[row], columns.user(row)
        self._config_bytes[user] += entry.subscription.config_bytes - columns.config_bytes[row]
        columns.put(row, entry)
        self._place(row, user, before)
        self._count(row, user, before)

    def _row(self, key: int | None) -> int | None:
        """The row of a subscription, by the number that stands for it."""
        if key is None or not self._loaded_keys:
            return None if key is None else self._rows.get(key)
        place = bisect_left(self._loaded_keys, key)
        if place < len(self._loaded_keys) and self._loaded_keys[place] == key:
            return self._loaded_rows[place]
        return self._rows.get(key)

    def _rows_of_user(self, user_id: str) -> list[int]:
        user = self._columns.users.get(user_id)
        with self._lock:
            return [] if user is None else list(self._of_user.rows(user))

    def _read(self, rows: Sequence[int], read: Callable[[int], _Record]) -> list[_Record]:
        """What some rows say. Each is read as a whole, and a commit may come in between."""
        records: list[_Record] = []
        for begin in range(0, len(rows), _AT_ONCE):
            with self._lock:
                records += map(read, rows[begin : begin + _AT_ONCE])
        return records

    def _place(self, row: int, user: int, before: int) -> None:
        """Follow a row's lists to its new state."""
        columns = self._columns
        condition, state = columns.condition[row], columns.state[row]
        if before == ENDED:
            # At the end: they are in the order in which they were requested.
            self._of_user.remove(user, row)
            self._of_user.append([user], [row])
        if before == ENDED != state:
            self._of_condition.append([condition], [row])
            self._kept[condition] += 1
        elif before != ENDED == state:
            self._of_condition.remove(condition, row)
            _add(self._kept, condition, -1)
        if row in columns.moved_to:
            self._moved.setdefault(user, {})[row] = None
        elif (moved := self._moved.get(user)) is not None:
            moved.pop(row, None)

    def _count(self, row: int, user: int, before: int) -> None:
        columns = self._columns
        by = (columns.state[row] == ACTIVE) - (before == ACTIVE)
        if not by:
            return
        condition, bot = columns.condition[row], columns.bot[row]
        self._active_total += by
        self.changed_users.add(columns.users.names[user])
        self.changed_conditions.add(columns.conditions.names[condition])
        _add(self._active, condition, by)
        if self._active[condition] < THIN:
            self._popular.pop(condition, None)
        elif (users := self._popular.get(condition)) is not None:
            _add(users, user, by)
        was_active = self._active_of_bot[bot] > 0
        _add(self._active_of_bot, bot, by)
        _add(self._active_bots_of_user, user, (self._active_of_bot[bot] > 0) - was_active)

    def _count_users(self, condition: int) -> Counter[int]:
        columns = self._columns
        rows = self._of_condition.rows(condition)
        return Counter(columns.user(row) for row in rows if columns.state[row] == ACTIVE)

    def _drop_old_changes(self) -> None:
        _, changed = self._changes
        self._set_changes(np.unique(np.array(changed, np.int32)))

    def _set_changes(self, rows: NDArray[np.int32]) -> None:
        """Know of the newest change of some rows alone."""
        changes = np.array(self._columns.change, np.int64)[rows]
        order = np.argsort(changes)
        self._changes = array("q", changes[order].tobytes()), array("i", rows[order].tobytes())


def _living(subscriptions: Iterable[StoredSubscription]) -> list[StoredSubscription]:
    return [subscription for subscription in subscriptions if subscription.state != "ended"]


def _counts(numbers: NDArray[np.int32]) -> Counter[int]:
    """How often each number is there."""
    counts = np.bincount(numbers)
    values = np.flatnonzero(counts)
    return Counter(dict(zip(values.tolist(), counts[values].tolist(), strict=True)))


def _add(counts: Counter[int], number: int, by: int) -> None:
    """Count, and forget what is not there any more."""
    counts[number] += by
    if not counts[number]:
        del counts[number]
