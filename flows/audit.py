"""The flow that judges the past again every night, by a path that has nothing in common with the ticks but the candles.

It only reads. What differs is recorded, makes the run fail, and so is told wherever failures are.
"""

import logging
from datetime import datetime

import anyio.to_thread
from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.events import emit_event
from prefect.runtime import flow_run

from analysis.audit import Audit, Difference
from analysis.audit import audit as judge_again
from common.clock import SystemClock
from common.errors import AuditFailed
from common.timeframes import DURATION_MS, show_time, to_ms
from flows.hooks import record_failure, record_success
from flows.runtime import store_in_use
from registry.store.parts.runs import AuditRecord
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

MISMATCH = "condition-hub.audit.mismatch"
"""The event for Prefect's automations."""

_MOST_EXAMPLES = 10
_WORDS = {"missing": "not recorded", "extra": "recorded, not expected", "different": "recorded differently"}


@flow(
    name="audit",
    flow_run_name="audit",
    retries=0,
    persist_result=False,
    validate_parameters=True,
    on_completion=[record_success],
    on_failure=[record_failure],
    on_crashed=[record_failure],
)
async def audit(since: datetime | None = None, until: datetime | None = None) -> dict[str, int | str]:
    """Judge again what closed after ``since`` and by ``until``, and compare the triggers with the recorded ones.

    By default: from where the last audit ended, at least a day, up to now. Raises
    :class:`common.errors.AuditFailed` if triggers differ from what the candles say.
    """
    run_id = str(flow_run.get_id())
    record = await anyio.to_thread.run_sync(
        run_audit, run_id, None if since is None else to_ms(since), None if until is None else to_ms(until)
    )
    span = f"{show_time(record.since_ms)} to {show_time(record.until_ms)} UTC"
    row: dict[str, int | str] = {
        "Closes (UTC)": span,
        "Conditions": record.conditions,
        "Groups": record.groups,
        "Triggers": record.triggers,
        "Differences": record.differences,
        "By revised candles": record.revised,
        "Unreadable conditions": record.unreadable,
        "Unverifiable triggers": record.unverifiable,
    }
    await acreate_table_artifact(table=[row], key="audit", description=f"What was judged, judged again: {span}")
    if record.differences:
        emit_event(
            MISMATCH,
            resource={"prefect.resource.id": "condition-hub.audit", "prefect.resource.name": "audit"},
            payload={"differences": record.differences, "examples": list(record.examples), "span": span},
        )
        raise AuditFailed(
            f"{record.differences} of {record.triggers} triggers from {span} are not what the candles say: "
            f"{'; '.join(record.examples[:3])}. All of them: hub verify --since '{show_time(record.since_ms)}'"
        )
    return row


def run_audit(run_id: str, since_ms: int | None, until_ms: int | None) -> AuditRecord:
    """Audit a span, and record in the store what came of it. The defaults are those of :func:`audit`."""
    with store_in_use() as store:
        now_ms = SystemClock().now_ms()
        until_ms = now_ms if until_ms is None else until_ms
        since_ms = _next_since(store, until_ms) if since_ms is None else since_ms
        report = judge_again(store, since_ms=since_ms, until_ms=until_ms)
        record = AuditRecord(
            run_id=run_id,
            since_ms=since_ms,
            until_ms=until_ms,
            conditions=report.conditions,
            groups=report.groups,
            triggers=report.triggers,
            differences=len(report.differences),
            revised=len(report.revised),
            unreadable=len(report.unreadable),
            unverifiable=report.unverifiable,
            examples=tuple(_in_words(each, report) for each in report.differences[:_MOST_EXAMPLES]),
            audited_ms=now_ms,
        )
        store.runs.record_audit(record)
    for example in record.examples:
        _log.error("the audit differs: %s", example)
    return record


def _next_since(store: Store, until_ms: int) -> int:
    """Where the last audit ended, so that no night that was missed is left out; a day before ``until_ms`` at most."""
    last = store.runs.audits(1)
    day_before = until_ms - DURATION_MS["1d"]
    return min(day_before, last[0].until_ms) if last else day_before


def _in_words(difference: Difference, report: Audit) -> str:
    condition = report.texts.get(difference.condition_id, difference.condition_id)
    return f"{condition} at {show_time(difference.close_ms)}: {_WORDS[difference.kind]}"
