"""The command ``hub``. Data goes to stdout (``--json`` for machines), messages to stderr.

Exit codes: 0 done, 1 the hub could not do it (the message says why and how to mend it), 2 the command line is wrong.
"""

import sys

from cyclopts import App, CycloptsError

from common.errors import HubError
from hub.cli import candles, conditions, demo, evaluation, events, instruments, service, store
from hub.cli.output import message

app = App(name="hub", help="Shared condition evaluation for trading bots.", version_flags=[])
for _commands in (demo, evaluation, candles, conditions, events, service, instruments, store):
    _commands.add_to(app)


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run a command line; its exit code."""
    try:
        app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return 2
    except HubError as error:
        message(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        message("stopped")
        return 130
    return 0
