"""Logs as JSON, one object per line on standard error: for machines, and free of anything private."""

import json
import logging
import sys
import time
import traceback

PACKAGES = (
    "common",
    "indicators",
    "registry",
    "engine",
    "candles",
    "analysis",
    "events",
    "flows",
    "api",
    "dashboard",
    "hub",
)
"""Modules log under their own names, so these are the roots of the project's loggers."""


class JsonLines(logging.Formatter):
    """``time level logger message`` and the fields of the record. Tracebacks are not included."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        shown = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
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


def _is_ours(handler: logging.Handler) -> bool:
    return isinstance(handler.formatter, JsonLines)
