"""Flow runs that failed, and what audits said."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class RunFailure:
    """A flow run that did not reach its end."""

    run_id: str
    deployment: str
    """``tick/1m``"""
    state: str
    """``Failed``, ``Crashed`` or ``TimedOut``, as Prefect names it."""
    message: str
    """Why, in one line."""
    failed_ms: int


@dataclass(frozen=True)
class AuditRecord:
    """What an audit of the candles that close after ``since_ms``, and by ``until_ms``, counted."""

    run_id: str
    since_ms: int
    until_ms: int
    conditions: int
    groups: int
    triggers: int
    differences: int
    """Triggers that are not recorded, not expected, or recorded with other contents."""
    revised: int
    unreadable: int
    unverifiable: int
    examples: tuple[str, ...]
    """The first differences, in words."""
    audited_ms: int


class RunStore(Protocol):
    """Flow runs that failed, and what audits said."""

    def record_failure(self, failure: RunFailure) -> None:
        """Record a failed run, once however often it is told; its deployment is failing from then on."""
        ...

    def record_success(self, deployment: str, at_ms: int) -> bool:
        """Note that a run of a deployment reached its end. Returns whether the deployment had been failing."""
        ...

    def failing(self) -> list[RunFailure]:
        """The newest failure of each deployment that has not had a success since, by name."""
        ...

    def failures(self, limit: int) -> list[RunFailure]:
        """The newest failures, newest first."""
        ...

    def failure_counts(self) -> dict[str, int]:
        """Deployment -> its failures on record when the owner started, and since."""
        ...

    def record_audit(self, audit: AuditRecord) -> None:
        """Record an audit; each run has one."""
        ...

    def audits(self, limit: int) -> list[AuditRecord]:
        """The newest audits, newest first."""
        ...
