"""Runs the benchmarks: ``python -m benchmarks [--quick] [SECTION ...]``.

All sections at full size write ``docs/benchmarks.md``; anything else is printed.
"""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.peers.process import open_peers
from benchmarks.report import page
from benchmarks.scale import FULL, QUICK
from benchmarks.sections import SECTIONS
from benchmarks.timing import machine

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def main() -> None:
    """Measure, print, and write where everything was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"one of {', '.join(SECTIONS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer rounds; prints and writes nothing")
    parser.add_argument("--no-peers", action="store_true", help="leave out what needs an environment of its own")
    given = parser.parse_args()
    if unknown := [name for name in given.sections if name not in SECTIONS]:
        parser.error(f"unknown section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    scale = QUICK if given.quick else FULL
    done = []
    with open_peers(not given.no_peers) as peers:
        for name in given.sections or SECTIONS:
            started = time.perf_counter()
            print(f"{name} ...", file=sys.stderr, flush=True)
            done.append(SECTIONS[name](scale, peers))
            print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    text = page(done, machine(), scale.rounds)
    print(text)
    if not given.quick and not given.no_peers and not given.sections:
        PAGE.write_text(text, encoding="utf-8")
        print(f"Written to {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
