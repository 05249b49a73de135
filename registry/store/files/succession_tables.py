"""Which condition stands for which since an upgrade of the hub, in ``registry.duckdb``.

Nothing of it changes while the file is open, except that upgrades are announced. The owner keeps who stands for whom in
memory; why is read from the file.
"""

from collections.abc import Callable, Iterable
from typing import cast
from urllib.parse import quote

from common.clock import Clock
from registry.groups import Group
from registry.store.files.upgrade_statements import NEWEST_OUTCOMES, SUPERSEDED
from registry.store.parts.registry import StoredCondition, StoredSubscription, Superseded, UpgradeNotice
from registry.store.sql import Database, naive_time, newest_rows


class SuccessionTables:
    """Superseded conditions with their successors, and the notices for those who own subscriptions."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        rows = database.rows(f"SELECT condition_id, superseded_by, upgrade FROM {NEWEST_OUTCOMES} AS newest")
        outcomes = {
            str(condition_id): (cast(str | None, successor), int(str(upgrade)))
            for condition_id, successor, upgrade in rows
        }
        self._upgrades = {condition_id: upgrade for condition_id, (_, upgrade) in outcomes.items()}
        """Condition -> the upgrade that superseded it, or could not read it any more."""
        self._unreadable = {condition_id for condition_id, (successor, _) in outcomes.items() if successor is None}
        direct = {old: new for old, (new, _) in outcomes.items() if new is not None and new != old}
        self._successors = {old: _last(old, direct) for old in direct}
        self.load_announcements()

    def load_announcements(self) -> None:
        """Read which upgrades owners have been told of."""
        self._seqs = {
            int(str(upgrade)): int(str(seq))
            for upgrade, seq in self._database.rows("SELECT upgrade, seq FROM registry.announced_upgrades")
        }

    def successor(self, condition_id: str) -> str:
        """The condition that stands for one today."""
        return self._successors.get(condition_id, condition_id)

    def all(self) -> dict[str, str]:
        """Superseded condition -> the one that stands for it today."""
        return dict(self._successors)

    def superseded(self, condition_id: str) -> Superseded | None:
        """A superseded condition as it was, and why it is; ``None`` if it stands for itself."""
        if condition_id not in self._successors:
            return None
        return self.all_superseded(condition_id)[0]

    def all_superseded(self, condition_id: str | None = None) -> list[Superseded]:
        """All superseded conditions, or one of them."""
        rows = self._database.frame(
            f"""
            SELECT c.condition_id, c.canonical, c.text, c.exchange, c.symbol, c.timeframe, c.group_key AS "group",
                c.definition_versions, epoch_ms(c.active_from) AS active_from_ms,
                o.reason, epoch_ms(o.created_at) AS since_ms
            FROM {newest_rows("registry.condition_registry", "condition_id", "revision")} AS c
            JOIN {SUPERSEDED} AS o USING (condition_id)
            WHERE c.condition_id = coalesce(?, c.condition_id)
            ORDER BY c.created_at, c.condition_id
            """,
            [condition_id],
        )
        superseded = []
        for row in rows.iter_rows(named=True):
            reason, since_ms = row.pop("reason"), row.pop("since_ms")
            was = StoredCondition(**row | {"group": Group.parse(row["group"])})
            superseded.append(Superseded(was, self._successors[was.condition_id], reason, since_ms))
        return superseded

    def notices(
        self, moved: Iterable[StoredSubscription], living: Iterable[StoredSubscription], after_seq: int
    ) -> list[UpgradeNotice]:
        """The notices about a user's subscriptions, those that moved and those that have not ended."""
        changed = [(one, seq) for one in moved if (seq := self._seq(one.condition_id)) > after_seq]
        changed += [
            (one, seq)
            for one in living
            if one.condition_id in self._unreadable and (seq := self._seq(one.condition_id)) > after_seq
        ]
        reasons = self._reasons([one.condition_id for one, _ in changed]) if changed else {}
        notices = [_notice(one, seq, reasons[one.condition_id]) for one, seq in changed]
        return sorted(notices, key=lambda notice: (notice.seq, notice.notice_id))

    def announce(self, next_seq: Callable[[], int]) -> int:
        """Give each upgrade that changed conditions a place among the triggers; returns how many had none."""
        silent = sorted(set(self._upgrades.values()) - self._seqs.keys())
        for upgrade in silent:
            seq = next_seq()
            row = {"upgrade": upgrade, "seq": seq, "created_at": naive_time(self._clock.now_ms())}
            with self._database.transaction() as transaction:
                transaction.insert("registry.announced_upgrades", row)
            self._seqs[upgrade] = seq
        return len(silent)

    def _seq(self, condition_id: str) -> int:
        """Where the upgrade that changed a condition is among the triggers; 0 if there was none, or it is not told."""
        return self._seqs.get(self._upgrades.get(condition_id, 0), 0)

    def _reasons(self, condition_ids: list[str]) -> dict[str, str]:
        rows = self._database.rows(
            f"SELECT condition_id, reason FROM {NEWEST_OUTCOMES} AS newest "
            "WHERE condition_id IN (SELECT unnest(?::VARCHAR[]))",
            [condition_ids],
        )
        return {str(condition_id): str(reason) for condition_id, reason in rows}


def _notice(subscription: StoredSubscription, seq: int, reason: str) -> UpgradeNotice:
    what = "unreadable" if subscription.moved_to is None else "superseded"
    user, bot = quote(subscription.user_id, ""), quote(subscription.bot_id, "")
    return UpgradeNotice(
        notice_id=f"{what}:{subscription.condition_id}:{user}:{bot}",
        seq=seq,
        user_id=subscription.user_id,
        bot_id=subscription.bot_id,
        condition_id=subscription.condition_id,
        superseded_by=subscription.moved_to,
        reason=reason,
    )


def _last(condition_id: str, direct: dict[str, str]) -> str:
    """The end of a chain: several upgrades may have superseded a condition one after another."""
    while (following := direct.get(condition_id)) is not None:
        condition_id = following
    return condition_id
