"""Logs as JSON, one object per line on standard error: for machines, and free of anything private."""

import json
import logging
import sys
import time
import traceback
from collections.abc import Iterable

_log = logging.getLogger(__name__)

PACKAGES = (
    "condition_hub",
    "common",
    "indicators",
    "registry",
    "engine",
    "candles",
    "analysis",
    "events",
    "flows",
    "bots",
    "api",
    "dashboard",
    "hub",
)
"""Modules log under their own names, so these are the roots of the project's loggers."""


class JsonLines(logging.Formatter):
    """``time level logger message`` and the fields of the record. Tracebacks are not included."""

    def format(self, record: logging.LogRecord) -> str:
        shown = {
            "time": _moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            shown["exception"] = record.exc_info[0].__name__
            # Where it was raised, but neither its text nor the source lines: they may quote what is private.
            frames = traceback.extract_tb(record.exc_info[2])
            shown["raised_at"] = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None
        return json.dumps(shown, default=str)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Make all loggers write to standard error; requests are logged by the hub alone.

    Libraries tell only their warnings: what they say below that, such as the addresses of requests, may be private.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in (*PACKAGES, "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level)
    libraries = logging.getLogger()
    libraries.handlers = [handler, *(other for other in libraries.handlers if not _is_ours(other))]
    logging.captureWarnings(True)
    logging.getLogger("uvicorn.access").disabled = True


def announce(text: str) -> None:
    """Say something to whoever started this process: on a terminal as it is, elsewhere as lines of the log."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
        return
    for line in text.splitlines():
        _log.info("%s", line.strip())


def relay(process: str, lines: Iterable[bytes]) -> None:
    """Write to standard error what a child process prints, until it ends: JSON lines as they are, with its name, others
    as messages of it."""
    for line in lines:
        text = line.decode(errors="replace").rstrip()
        try:
            shown = json.loads(text)
        except ValueError:
            shown = None
        if not isinstance(shown, dict):
            if not text:
                continue
            shown = {"time": _moment(time.time()), "level": "info", "logger": process, "message": text}
        # In one piece: other threads write lines, too.
        sys.stderr.write(json.dumps({**shown, "process": process}) + "\n")
        sys.stderr.flush()


def _moment(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def _is_ours(handler: logging.Handler) -> bool:
    return isinstance(handler.formatter, JsonLines)
