"""The command ``hub``: see :mod:`hub.cli.app`."""

import sys

from common.private_files import keep_private


def main() -> None:
    """Run the process's command line and exit with its code."""
    keep_private()
    try:
        # Here, because loading the commands takes long enough for a Ctrl-C.
        from hub.cli.app import main as run_and_exit

        run_and_exit()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)


def run(arguments: list[str]) -> int:
    """Run a command line in this process; its exit code."""
    from hub.cli.app import run as run_here

    return run_here(arguments)


if __name__ == "__main__":
    main()
