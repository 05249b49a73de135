"""The shell part of ``docs/quickstart.md``, with a hub that runs. Its Python is run by ``tests/client``."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from registry.keys import read_key_text
from tests.docs.transcripts import ROOT

PAGE = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```shell\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_candles_a_key_and_a_candle_of_ones_own(environment: Mapping[str, str], tmp_path: Path) -> None:
    install, candles, key, market = BLOCKS
    assert "make setup" in install
    assert "hub up" in install
    (tmp_path / "candles").symlink_to(ROOT / "candles")
    one_minute = re.search(r"^while true; do\n(.*?)^  hub tick", market, re.MULTILINE | re.DOTALL)
    assert one_minute is not None
    script = f"{candles}\n{key}\necho $HUB_API_KEY\n{one_minute[1]}\nhub candles list"
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        check=False,
        env={**environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert any(read_key_text(line.strip()) for line in done.stdout.splitlines())
    assert "DEMOUSDT" in done.stdout
    assert "SOLUSDT" in done.stdout
