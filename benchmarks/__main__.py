"""Runs the benchmarks: ``python -m benchmarks [--only SECTION,...] [--quick]``.

What is measured at full size is kept in ``docs/benchmarks.json``, section by section, and ``docs/benchmarks.md`` is
written from it; sections that were not asked for stay as they were measured.
"""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.peers.process import open_peers
from benchmarks.results import Measured, Results
from benchmarks.scale import FULL, QUICK
from benchmarks.sections import SECTIONS, WITH_PEERS

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.json"


def main() -> None:
    """Measure, print, and keep what is comparable."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", type=_names, default=list(SECTIONS), help=f"some of {','.join(SECTIONS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds; prints and keeps nothing")
    parser.add_argument("--no-peers", action="store_true", help="without other libraries; prints and keeps nothing")
    parser.add_argument("--page", action="store_true", help="measure nothing: write the page from what is kept")
    given = parser.parse_args()
    results = Results(RESULTS, SECTIONS)
    if given.page:
        results.write()
        return
    scale = QUICK if given.quick else FULL
    with open_peers(not given.no_peers and not WITH_PEERS.isdisjoint(given.only)) as peers:
        for number, name in enumerate(given.only, 1):
            started = time.perf_counter()
            print(f"[{number}/{len(given.only)}] {name} ...", file=sys.stderr, flush=True)
            measured = Measured.today(SECTIONS[name](scale, peers), scale.rounds)
            print(measured.section.markdown(measured.remark), *(" | ".join((*target.aim, target.result)) for target in
                  measured.section.targets), "", sep="\n", flush=True)  # fmt: skip
            print(f"[{number}/{len(given.only)}] {name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
            if not given.quick and not given.no_peers:
                results.put(name, measured)
    if not given.quick and not given.no_peers:
        print(f"Kept in {RESULTS}; the page beside it is written", file=sys.stderr)


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"there is no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    return names


if __name__ == "__main__":
    main()
