"""The source of the blocking client: ``python -m tests.condition_hub.blocking_source`` writes it again."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASYNCHRONOUS, BLOCKING = (ROOT / "condition_hub" / name for name in ("asynchronous.py", "blocking.py"))
HEAD = (
    '"""The client for code without asyncio: scripts and notebooks. It may be shared by threads.\n\n'
    "Written from ``condition_hub/asynchronous.py``, which is the one to change, by\n"
    "``python -m tests.condition_hub.blocking_source``.\n"
    '"""\n'
)
WITHOUT_ASYNCIO = (
    (r"async_connection", "blocking_connection"),
    (r"\bAsyncConnection\b", "BlockingConnection"),
    (r"\bAsync(HubClient|Iterator)\b", r"\1"),
    (r"\b(async|await) ", ""),
)
"""Pattern -> what stands in its place."""


def blocking() -> str:
    """The blocking client, made from the one for asyncio."""
    code = re.sub(r'\A""".*?"""\n', lambda _: HEAD, ASYNCHRONOUS.read_text(encoding="utf-8"), flags=re.DOTALL)
    for pattern, instead in WITHOUT_ASYNCIO:
        code = re.sub(pattern, instead, code)
    for arguments in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(BLOCKING), "-"]
        code = subprocess.run(ruff, input=code, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return code


if __name__ == "__main__":
    BLOCKING.write_text(blocking(), encoding="utf-8")
