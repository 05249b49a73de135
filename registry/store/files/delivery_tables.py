"""Webhooks and how far readers of triggers have got, in ``registry.duckdb``; all of it in the owner's memory."""

import json
from dataclasses import asdict, replace

from common.clock import Clock
from registry.quotas import WebhookQuota
from registry.store.parts.delivery import LogReading, Webhook, WebhookState
from registry.store.sql import Database, last_rows, naive_time, newest_rows

_DAY_MS = 24 * 3_600_000
_READINGS_KEPT_MS = 7 * _DAY_MS


class DeliveryTables:
    """Implements :class:`registry.store.parts.delivery.DeliveryStore`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        if not database.read_only:
            self.trim()
        self._cursors: dict[str, int] = {}
        self._webhooks: dict[str, Webhook] = {}
        self._of_user: dict[str, dict[str, Webhook]] = {}
        self.follow(None, None)

    def follow(self, webhooks: int | None, cursors: int | None) -> None:
        """Take up what others committed: so many rows more of each table, or ``None`` for all of its rows."""
        self._cursors.update(
            (str(name), int(str(seq)))
            for name, seq in self._database.rows(
                "SELECT name, seq FROM "
                f"{newest_rows(last_rows('registry.delivery_cursors', cursors), 'name')} AS newest"
            )
        )
        if webhooks is None:
            self._webhooks, self._of_user = {}, {}
        rows = self._database.frame(
            f"""
            SELECT webhook_id, user_id, url, secret, bot_id, state, epoch_ms(created_at) AS created_ms, from_seq,
                revision, name, preset, template, headers, secrets
            FROM {newest_rows(last_rows("registry.webhooks", webhooks), "webhook_id", "revision")} AS newest
            ORDER BY created_at, webhook_id
            """
        )
        for row in rows.iter_rows(named=True):
            texts = {name: json.loads(row[name] or "{}") for name in ("headers", "secrets")}
            self._remember(Webhook(**row | texts))

    def add_webhook(self, webhook: Webhook, quota: WebhookQuota | None = None) -> None:
        with self._database.alone():
            if quota is not None and webhook.webhook_id not in self._webhooks:
                made, since_ms = self.webhooks(webhook.user_id), self._clock.now_ms() - _DAY_MS
                quota.check(
                    webhook.user_id,
                    count=sum(one.state != "ended" for one in made),
                    made_today=sum(one.created_ms > since_ms for one in made),
                )
            self._write(webhook, webhook.created_ms)

    def replace_webhook(self, webhook: Webhook, *, at_ms: int) -> Webhook | None:
        with self._database.alone():
            before = self._webhooks.get(webhook.webhook_id)
            if before is None or before.state == "ended":
                return None
            after = replace(
                before,
                url=webhook.url,
                bot_id=webhook.bot_id,
                name=webhook.name,
                preset=webhook.preset,
                template=webhook.template,
                headers=webhook.headers,
                secrets=webhook.secrets,
            )
            if after != before:
                self._write(replace(after, revision=before.revision + 1), at_ms)
            return self._webhooks[webhook.webhook_id]

    def webhooks(self, user_id: str | None = None) -> list[Webhook]:
        return list((self._webhooks if user_id is None else self._of_user.get(user_id, {})).values())

    def webhook(self, webhook_id: str) -> Webhook | None:
        return self._webhooks.get(webhook_id)

    def set_webhook_state(self, webhook_id: str, state: WebhookState, *, at_ms: int) -> Webhook | None:
        with self._database.alone():
            webhook = self._webhooks.get(webhook_id)
            if webhook is None or webhook.state in (state, "ended"):
                return webhook
            self._write(replace(webhook, state=state, revision=webhook.revision + 1), at_ms)
            return self._webhooks[webhook_id]

    def forget_user(self, user_id: str) -> int:
        with self._database.alone():
            webhooks = self.webhooks(user_id)
            if webhooks:
                with self._database.transaction() as transaction:
                    transaction.execute("DELETE FROM registry.webhooks WHERE user_id = ?", [user_id])
                del self._of_user[user_id]
                for webhook in webhooks:
                    del self._webhooks[webhook.webhook_id]
            return len(webhooks)

    def cursors(self) -> dict[str, int]:
        return dict(self._cursors)

    def move_cursor(self, name: str, seq: int) -> None:
        with self._database.alone():
            if self._cursors.get(name) == seq:
                return
            now = naive_time(self._clock.now_ms())
            with self._database.transaction() as transaction:
                transaction.insert("registry.delivery_cursors", {"name": name, "seq": seq, "created_at": now})
            self._cursors[name] = seq

    def record_log(self, reading: LogReading) -> None:
        row: dict[str, object] = asdict(reading) | {"lags": json.dumps(dict(reading.lags))}
        del row["read_ms"]
        row["read_at"] = naive_time(reading.read_ms)
        with self._database.transaction() as transaction:
            known = "SELECT 1 FROM registry.event_log_readings WHERE read_at = ? LIMIT 1"
            if transaction.frame(known, [row["read_at"]]).is_empty():
                transaction.insert("registry.event_log_readings", row)

    def log_readings(self, limit: int) -> list[LogReading]:
        rows = self._database.frame(
            """
            SELECT epoch_ms(read_at) AS read_ms, stored_seq, published_seq, events, bytes, lags
            FROM registry.event_log_readings ORDER BY read_at DESC LIMIT ?
            """,
            [limit],
        )
        return [LogReading(**row | {"lags": json.loads(row["lags"])}) for row in rows.iter_rows(named=True)]

    def _write(self, webhook: Webhook, at_ms: int) -> None:
        row = asdict(webhook) | {"changed_at": naive_time(at_ms)}
        row |= {name: json.dumps(row[name]) for name in ("headers", "secrets")}
        row["created_at"] = naive_time(row.pop("created_ms"))
        with self._database.alone():
            if self._webhooks.get(webhook.webhook_id) == webhook:
                return
            with self._database.transaction() as transaction:
                transaction.insert("registry.webhooks", row)
            self._remember(webhook)

    def _remember(self, webhook: Webhook) -> None:
        self._webhooks[webhook.webhook_id] = webhook
        self._of_user.setdefault(webhook.user_id, {})[webhook.webhook_id] = webhook

    def trim(self) -> int:
        """Remove replaced cursors and old readings. Returns how many rows that were."""
        return self._compact_cursors() + self._forget_old_readings()

    def _compact_cursors(self) -> int:
        """Keep only the newest row of each reader: the table grows by one with every move."""
        with self._database.transaction() as transaction:
            return transaction.delete(
                """
                DELETE FROM registry.delivery_cursors c WHERE EXISTS (
                    SELECT 1 FROM registry.delivery_cursors n WHERE n.name = c.name AND n.rowid > c.rowid
                )
                """
            )

    def _forget_old_readings(self) -> int:
        since = naive_time(self._clock.now_ms() - _READINGS_KEPT_MS)
        with self._database.transaction() as transaction:
            return transaction.delete("DELETE FROM registry.event_log_readings WHERE read_at < ?", [since])
