"""The HTTP service: the one process that owns a data folder's store. ``hub up`` starts the same from a shell."""

import sys

from common.errors import HubError
from common.private_files import keep_private
from common.settings import load_settings
from hub.logs import log_to_stderr
from hub.serve import serve


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    keep_private()
    log_to_stderr()
    try:
        serve(load_settings(), lambda text: print(text, file=sys.stderr, flush=True))
    except HubError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        # Before the server listened to signals.
        sys.exit(130)


if __name__ == "__main__":
    main()
