"""The command ``hub``: see :mod:`hub.cli.app`."""

from hub.cli.app import main, run

__all__ = ["main", "run"]

if __name__ == "__main__":
    main()
