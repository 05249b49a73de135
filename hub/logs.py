"""Logs as JSON, one object per line on standard error: for machines, and free of anything private."""

import json
import logging
import sys
import time


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
        return json.dumps(shown, default=str)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Make the service's loggers write to standard error; requests are logged by them alone."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("hub", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level)
    logging.getLogger("uvicorn.access").disabled = True
