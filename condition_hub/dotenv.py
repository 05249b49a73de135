"""The file ``.env`` in the working directory: lines such as ``HUB_API_KEY=hub_…``, ``export`` and quotes allowed."""

import re
from pathlib import Path

from condition_hub.errors import SettingsError

DOTENV = Path(".env")
_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>\w+)\s*=[ \t]*(?:"(?P<double>[^"\n]*)"|'(?P<single>[^'\n]*)'|(?P<bare>[^\n]*?))"""
    r"(?:[ \t]+\#.*)?\s*"
)


def read_dotenv(path: Path) -> dict[str, str]:
    """Name, in upper case -> value, of the lines that are settings; none without the file.

    Raises :class:`condition_hub.errors.SettingsError` if there is a file that cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}); allow it, or remove the file") from None
    settings = {}
    for match in filter(None, map(_LINE.fullmatch, lines)):
        settings[match["name"].upper()] = next(
            value for value in (match["double"], match["single"], match["bare"]) if value is not None
        )
    return settings
