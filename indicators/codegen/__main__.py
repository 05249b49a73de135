"""The command ``python -m indicators.codegen``."""

import argparse
import sys

from indicators.codegen.files import KERNELS_FOLDER, stale, write


def main(arguments: list[str] | None = None) -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m indicators.codegen", description="Write the compiled kernels.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name the files that are stale")
    check = parser.parse_args(arguments).check
    changed = stale() if check else write()
    for path in changed:
        sys.stderr.write(f"{'stale' if check else 'written'}: {path.relative_to(KERNELS_FOLDER.parent.parent)}\n")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
