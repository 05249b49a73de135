"""Failed flow runs and audits in ``registry.duckdb``; which deployments are failing is in the owner's memory."""

from collections import Counter
from dataclasses import asdict

from registry.store.parts.runs import AuditRecord, RunFailure
from registry.store.sql import Database, naive_time, newest_rows

_FAILURE = "run_id, deployment, state, message, epoch_ms(failed_at) AS failed_ms"


class RunTables:
    """Implements :class:`registry.store.parts.runs.RunStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.load()

    def load(self) -> None:
        """Read what is kept in memory."""
        recovered = {
            str(deployment): int(str(at_ms))
            for deployment, at_ms in self._database.rows(
                "SELECT deployment, epoch_ms(max(recovered_at)) FROM registry.recovered_deployments GROUP BY deployment"
            )
        }
        newest = self._database.frame(
            f"SELECT {_FAILURE} FROM {newest_rows('registry.failed_runs', 'deployment', 'failed_at')} AS newest"
        )
        self._failing = {
            failure.deployment: failure
            for failure in (RunFailure(**row) for row in newest.iter_rows(named=True))
            if failure.failed_ms > recovered.get(failure.deployment, -1)
        }
        self._counts = Counter(
            {
                str(deployment): int(str(count))
                for deployment, count in self._database.rows(
                    "SELECT deployment, count(*) FROM registry.failed_runs GROUP BY deployment"
                )
            }
        )

    def record_failure(self, failure: RunFailure) -> None:
        with self._database.alone():
            with self._database.transaction() as transaction:
                known = "SELECT 1 FROM registry.failed_runs WHERE run_id = ? LIMIT 1"
                if not transaction.frame(known, [failure.run_id]).is_empty():
                    return
                row = asdict(failure) | {"failed_at": naive_time(failure.failed_ms)}
                del row["failed_ms"]
                transaction.insert("registry.failed_runs", row)
            self._counts[failure.deployment] += 1
            self._failing[failure.deployment] = failure

    def record_success(self, deployment: str, at_ms: int) -> bool:
        # Most runs succeed after a success: nothing to write.
        if deployment not in self._failing:
            return False
        with self._database.alone():
            failure = self._failing.get(deployment)
            if failure is None:
                return False
            at_ms = max(at_ms, failure.failed_ms)
            with self._database.transaction() as transaction:
                row = {"deployment": deployment, "recovered_at": naive_time(at_ms)}
                transaction.insert("registry.recovered_deployments", row)
            del self._failing[deployment]
            return True

    def trim(self, before_ms: int) -> int:
        """Remove failures and audits from before a time; a failure that a deployment still has stays."""
        before = naive_time(before_ms)
        statements = (
            (
                "DELETE FROM registry.failed_runs WHERE failed_at < ? AND run_id NOT IN (SELECT unnest(?::VARCHAR[]))",
                True,
            ),
            ("DELETE FROM registry.recovered_deployments WHERE recovered_at < ?", False),
            ("DELETE FROM registry.audits WHERE audited_at < ?", False),
        )
        with self._database.alone():
            current = [failure.run_id for failure in self._failing.values()]
            with self._database.transaction() as transaction:
                return sum(
                    transaction.delete(statement, [before, current] if spares else [before])
                    for statement, spares in statements
                )

    def failing(self) -> list[RunFailure]:
        return sorted(self._failing.values(), key=lambda failure: failure.deployment)

    def failures(self, limit: int) -> list[RunFailure]:
        rows = self._database.frame(
            f"SELECT {_FAILURE} FROM registry.failed_runs ORDER BY failed_at DESC, run_id LIMIT ?", [limit]
        )
        return [RunFailure(**row) for row in rows.iter_rows(named=True)]

    def failure_counts(self) -> dict[str, int]:
        return dict(self._counts)

    def record_audit(self, audit: AuditRecord) -> None:
        row = asdict(audit) | {"examples": list(audit.examples)}
        for column in ("since", "until", "audited"):
            row[column] = naive_time(row.pop(f"{column}_ms"))
        row["audited_at"] = row.pop("audited")
        with self._database.transaction() as transaction:
            known = "SELECT 1 FROM registry.audits WHERE run_id = ? LIMIT 1"
            if transaction.frame(known, [audit.run_id]).is_empty():
                transaction.insert("registry.audits", row)

    def audits(self, limit: int) -> list[AuditRecord]:
        rows = self._database.frame(
            """
            SELECT run_id, epoch_ms(since) AS since_ms, epoch_ms(until) AS until_ms, conditions, groups, triggers,
                differences, revised, unreadable, unverifiable, examples, epoch_ms(audited_at) AS audited_ms
            FROM registry.audits ORDER BY audited_at DESC, run_id LIMIT ?
            """,
            [limit],
        )
        return [AuditRecord(**row | {"examples": tuple(row["examples"])}) for row in rows.iter_rows(named=True)]
