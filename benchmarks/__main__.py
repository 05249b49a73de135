"""Runs the benchmarks: ``python -m benchmarks [--only SECTION,...] [--quick]``.

Results at full size are kept in ``docs/benchmarks.json``, section by section, and ``docs/benchmarks.md`` is written
from that file. Sections that are not selected keep their earlier results.
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
    """Measure, print, and keep results at full size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", type=_names, default=list(SECTIONS), help=f"sections to measure, of {','.join(SECTIONS)}"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds; prints, but keeps nothing")
    parser.add_argument("--no-peers", action="store_true", help="without other libraries; prints, but keeps nothing")
    parser.add_argument("--page", action="store_true", help="measure nothing; write the page from the results kept")
    options = parser.parse_args()
    results = Results(RESULTS, SECTIONS)
    if options.page:
        results.write()
        return
    scale = QUICK if options.quick else FULL
    with open_peers(not options.no_peers and not WITH_PEERS.isdisjoint(options.only)) as peers:
        for number, name in enumerate(options.only, 1):
            started = time.perf_counter()
            print(f"[{number}/{len(options.only)}] {name} ...", file=sys.stderr, flush=True)
            measured = Measured.today(SECTIONS[name](scale, peers), scale.rounds)
            print(measured.section.markdown(measured.remark), *(" | ".join((*target.aim, target.result)) for target in
                  measured.section.targets), "", sep="\n", flush=True)  # fmt: skip
            print(f"[{number}/{len(options.only)}] {name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
            if not options.quick and not options.no_peers:
                results.put(name, measured)
    if not options.quick and not options.no_peers:
        print(f"Results kept in {RESULTS}; the page next to it is up to date", file=sys.stderr)


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"there is no section {unknown[0]!r}; the sections are {', '.join(SECTIONS)}")
    return names


if __name__ == "__main__":
    main()
