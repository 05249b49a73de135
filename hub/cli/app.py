"""The command ``hub``. Data goes to stdout (``--json`` for machines), messages to stderr.

Exit codes: 0 done, 1 the hub could not do it (the message says why and how to fix it) or nobody reads its output any
more, 2 the command line is wrong, 130 stopped by Ctrl-C.
"""

import os
import select
import sys
from pathlib import Path
from typing import TextIO

from cyclopts import App, CycloptsError

from common.errors import HubError
from hub.cli import (
    agents,
    as_code,
    backtesting,
    bot_simulation,
    bots,
    candles,
    conditions,
    demo,
    deploy,
    evaluation,
    events,
    exporting,
    fetching,
    instruments,
    rule_tests,
    service,
    status,
    store,
    users,
    webhooks,
    whatif,
)
from hub.cli.output import message


def _version() -> str:
    from importlib.metadata import version

    return version("condition-hub")


app = App(
    name="hub",
    help="Shared condition evaluation for trading bots.",
    version=_version,
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)
for _commands in (
    demo,
    evaluation,
    backtesting,
    candles,
    fetching,
    exporting,
    conditions,
    rule_tests,
    as_code,
    agents,
    whatif,
    events,
    service,
    bots,
    bot_simulation,
    status,
    instruments,
    webhooks,
    store,
    deploy,
    users,
):
    _commands.add_to(app)


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and exit with its code."""
    try:
        code = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        out, err = _is_unread(sys.stdout), _is_unread(sys.stderr)
        if not (out or err):
            raise
        code = 1
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    """Run a command line; its exit code."""
    try:
        app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return 2
    except HubError as error:
        message(f"error: {error}")
        return 1
    except (KeyboardInterrupt, RuntimeError) as error:
        # DuckDB turns a Ctrl-C during a query into a RuntimeError.
        if not isinstance(error.__cause__ if isinstance(error, RuntimeError) else error, KeyboardInterrupt):
            raise
        message("stopped")
        return 130
    return 0


def _is_unread(stream: TextIO) -> bool:
    """Whether the reader of a pipe has gone, as in ``hub candles list | head -1``. What the stream still has to
    write is dropped: Python would complain about it at exit."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    is_unread = any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    if is_unread:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
    return is_unread
