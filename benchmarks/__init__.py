"""Speed, as ratios against named peers in one run. ``make bench`` writes ``docs/benchmarks.md``."""
