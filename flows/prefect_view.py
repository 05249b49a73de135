"""What Prefect's server of a data folder says about workers and runs.

It is asked over HTTP: importing Prefect takes seconds.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from common.errors import PrefectServerError
from common.plain_http import WITHOUT_CERTIFICATES
from common.timeframes import DURATION_MS, from_ms, to_ms

POOL = "ticks"
_PATIENCE_S = 5.0
_SHOWN = 5
_BACK_MS = DURATION_MS["1d"]
_LONGEST_REASON = 500


@dataclass(frozen=True)
class WorkerSeen:
    """A worker that Prefect's server knows."""

    name: str
    is_online: bool
    heartbeat_ms: int | None


@dataclass(frozen=True)
class FailedRun:
    """A run that failed or crashed."""

    name: str
    state: str
    ended_ms: int
    reason: str


@dataclass(frozen=True)
class PrefectView:
    """What the server said."""

    url: str
    is_paused: bool
    """Whether somebody has paused the pool of the ticks."""
    workers: tuple[WorkerSeen, ...]
    late: int
    """Runs that should have begun and have not."""
    failed: int
    """Runs that failed or crashed in the last 24 hours."""
    newest_failed: tuple[FailedRun, ...]
    """The newest of them, newest first."""

    @property
    def is_worked_on(self) -> bool:
        """Whether a worker is there for the ticks."""
        return any(worker.is_online for worker in self.workers)


def look_at_prefect(data_dir: Path, now_ms: int) -> PrefectView | None:
    """Ask the server of a data folder; ``None`` where none was ever started.

    Raises :class:`common.errors.PrefectServerError` if it does not answer.
    """
    folder = data_dir / "prefect"
    try:
        port, login = int((folder / "prefect.port").read_text()), (folder / "prefect.login").read_text()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PrefectServerError(f"cannot read the address of Prefect's server in {folder}: {error}") from error
    url = f"http://127.0.0.1:{port}"
    user, _, password = login.partition(":")
    failed = {"flow_runs": _ended(["FAILED", "CRASHED"], now_ms - _BACK_MS)}
    newest = {"sort": "END_TIME_DESC", "limit": _SHOWN}
    try:
        with httpx.Client(
            base_url=f"{url}/api", auth=(user, password), timeout=_PATIENCE_S, verify=WITHOUT_CERTIFICATES
        ) as server:
            pool = server.get(f"/work_pools/{POOL}")
            if pool.status_code == httpx.codes.NOT_FOUND:
                return PrefectView(url, False, (), 0, 0, ())
            workers = _answer(server.post(f"/work_pools/{POOL}/workers/filter", json={}))
            late = _answer(server.post("/flow_runs/count", json={"flow_runs": {"state": {"name": {"any_": ["Late"]}}}}))
            count = _answer(server.post("/flow_runs/count", json=failed))
            runs = _answer(server.post("/flow_runs/filter", json=failed | newest)) if count else []
            paused = _answer(pool)["is_paused"]
    except httpx.HTTPError as error:
        raise PrefectServerError(
            f"Prefect's server at {url} does not answer ({type(error).__name__}); the worker starts it: hub up"
        ) from error
    return PrefectView(
        url=url,
        is_paused=bool(paused),
        workers=tuple(_worker(each) for each in workers),
        late=int(late),
        failed=int(count),
        newest_failed=tuple(_run(each) for each in runs),
    )


def _ended(kinds: list[str], since_ms: int) -> dict[str, Any]:
    return {"state": {"type": {"any_": kinds}}, "end_time": {"after_": from_ms(since_ms).isoformat()}}


def _answer(response: httpx.Response) -> Any:
    response.raise_for_status()
    return response.json()


def _worker(fields: dict[str, Any]) -> WorkerSeen:
    return WorkerSeen(fields["name"], fields["status"] == "ONLINE", _time(fields["last_heartbeat_time"]))


def _run(fields: dict[str, Any]) -> FailedRun:
    reason = (fields["state"] or {}).get("message") or ""
    return FailedRun(fields["name"], fields["state_name"], _time(fields["end_time"]) or 0, reason[:_LONGEST_REASON])


def _time(text: str | None) -> int | None:
    return None if text is None else to_ms(datetime.fromisoformat(text))
