"""A Prefect server's answers, as 3.8.8 gave them, for states that are hard to bring about."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.candles.simulators import served

LOGIN = "hub:secret"


@dataclass
class RecordedPrefect:
    """An ASGI application that asks for its password."""

    workers: list[dict[str, Any]] = field(default_factory=list)
    late: int = 0
    failed: list[dict[str, Any]] = field(default_factory=list)
    is_paused: bool = False
    has_pool: bool = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = json.loads((await receive()).get("body") or b"{}")
        login = dict(scope["headers"]).get(b"authorization", b"").removeprefix(b"Basic ")
        status, answer = 401, None
        if base64.b64decode(login).decode() == LOGIN:
            status, answer = self._answer(scope["path"].removeprefix("/api"), body)
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    def _answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        state = body.get("flow_runs", {}).get("state", {})
        match path:
            case "/work_pools/ticks":
                return (200, {"name": "ticks", "is_paused": self.is_paused}) if self.has_pool else (404, {})
            case "/work_pools/ticks/workers/filter":
                return 200, self.workers
            case "/flow_runs/count":
                return 200, self.late if state == {"name": {"any_": ["Late"]}} else len(self.failed)
            case "/flow_runs/filter":
                return 200, self.failed[: body["limit"]]
        return 404, {}


def worker(status: str = "ONLINE") -> dict[str, Any]:
    return {"name": "hub 7100", "status": status, "last_heartbeat_time": "2026-11-30T19:16:29.359548Z"}


def failed_run(number: int, message: str) -> dict[str, Any]:
    state = {"type": "FAILED", "name": "Failed", "message": message}
    return {
        "name": f"tick-{number}m",
        "state_name": "Failed",
        "end_time": "2026-11-30T19:16:01.200275Z",
        "state": state,
    }


@contextmanager
def recorded(prefect: RecordedPrefect, data_dir: Path) -> Iterator[None]:
    """Serve it as the server of a data folder."""
    with served(prefect) as url:  # type: ignore[arg-type]
        folder = data_dir / "prefect"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prefect.port").write_text(url.rpartition(":")[2].rstrip("/"))
        (folder / "prefect.login").write_text(LOGIN)
        yield
