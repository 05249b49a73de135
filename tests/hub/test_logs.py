"""Every module's log lines are JSON, and have nothing in them that an error quotes."""

import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import hub.logs
from hub.logs import PACKAGES, JsonLines, log_to_stderr

ROOT = Path(hub.logs.__file__).parents[1]


@pytest.fixture
def loggers() -> Iterator[None]:
    """Puts the loggers back as they were."""
    names = (*PACKAGES, "uvicorn.error", None)
    before = [(each, list(each.handlers), each.propagate, each.level) for each in map(logging.getLogger, names)]
    # Whatever has captured them before did so in the warnings of another test.
    logging.captureWarnings(False)
    yield
    for logger, handlers, propagate, level in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)
    logging.captureWarnings(False)
    logging.getLogger("uvicorn.access").disabled = False


def test_every_package_of_the_project_is_configured() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - {"tests", "benchmarks"} == set(PACKAGES)


@pytest.mark.usefixtures("loggers")
def test_modules_and_libraries_write_json(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr()
    log_to_stderr()  # once more changes nothing
    for name in ("events.webhooks.sender", "registry.store.files.database", "flows.advance", "hub.api"):
        logging.getLogger(name).info("said by %s", name)
    logging.getLogger("httpx").info("POST https://bots.example.com/secret")
    logging.getLogger("asyncio").error("a library's")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("deprecated", stacklevel=1)
    try:
        raise ValueError("s3cr3t")
    except ValueError:
        logging.getLogger("registry.store.remote.endpoint").exception("failed")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["logger"] for line in lines] == [
        *("events.webhooks.sender", "registry.store.files.database", "flows.advance", "hub.api"),
        *("asyncio", "py.warnings", "registry.store.remote.endpoint"),
    ]
    assert lines[-1]["exception"] == "ValueError"
    assert "test_logs.py" in lines[-1]["raised_at"]
    assert "s3cr3t" not in json.dumps(lines)


def test_a_line_has_the_fields_of_its_record() -> None:
    record = logging.LogRecord("hub.api", logging.INFO, "", 0, "request", (), None)
    record.fields = {"status": 200}
    assert {"message": "request", "level": "info", "status": 200}.items() <= json.loads(
        JsonLines().format(record)
    ).items()
