"""Nobody adds a timeframe to a time: where a slot ends is a matter of its grid, and ``common.slots`` knows it."""

import ast

from tests.test_imports import ROOT, sources

NOMINAL = {
    "api/bodies/condition_spellings.py": "the list, to be shown",
    "api/routes/bots.py": "order",
    "api/routes/catalogue.py": "how old is stale; order",
    "analysis/preview.py": "how long a year is; triggers a day",
    "analysis/progress.py": "order",
    "analysis/work.py": "how much work an answer is",
    "bots/executor/feed.py": "order; how much is read at once",
    "bots/importing_conditions.py": "order",
    "bots/configured_simulation.py": "order",
    "bots/simulation.py": "order",
    "candles/epochs.py": "how much is read at once",
    "candles/grid_proposal.py": "which candles tell of a grid, and which grids to try",
    "candles/stored.py": "how much is read at once",
    "candles/suspicions.py": "the usual distance of rows, to be shown",
    "candles/wanted.py": "order",
    "common/slots.py": "where slots are made",
    "common/timeframes.py": "what divides what",
    "dashboard/charts/readings.py": "how many candles to load",
    "dashboard/data/overview.py": "order",
    "dashboard/pages/explore.py": "triggers a day",
    "dashboard/pages/savings.py": "how much time a tick may take",
    "dashboard/pages/ticks.py": "how much time a tick may take",
    "engine/resampling.py": "order; which slots go by the clock on the wall",
    "flows/advance.py": "how late is late",
    "flows/deployments.py": "the list",
    "flows/preparing.py": "the list",
    "flows/hooks.py": "which timeframes there are, and whether the next close is far away",
    "flows/past_runs.py": "the list",
    "flows/schedules.py": "how often a run is due; where it is due is asked of the slots",
    "flows/ticking.py": "how long a tick waits for candles",
    "hub/demo/simulated_exchange.py": "how far back a page of candles may reach",
    "registry/language/as_text/other_words/times.py": "how many bars somebody means who wrote hours; only offered",
    "registry/language/lookback.py": "how many steps at most",
    "registry/language/time_windows.py": "whether a candle ever opens in a window",
    "registry/shard_balance.py": "evaluations and candles a day",
    "registry/store/files/candle_gaps.py": "which candles may have a gap before them",
    "registry/store/files/candle_tables.py": "how far back is likely",
    "registry/store/files/condition_search.py": "how old is stale",
    "registry/store/files/user_usage.py": "evaluations a day",
}
"""File -> what it needs nominal lengths for: order, estimates, rates, and what divides what."""


def test_nominal_lengths_are_for_order_estimates_and_rates() -> None:
    uses: set[str] = set()
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        of_a_known_length = {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
        }
        for node in ast.walk(tree):
            is_read = isinstance(node, ast.Name) and node.id == "DURATION_MS" and isinstance(node.ctx, ast.Load)
            if is_read and node not in of_a_known_length:
                uses.add(str(path.relative_to(ROOT)))
    assert uses == set(NOMINAL), "ask the slots of a series for times: common.slots.slots_of, engine.calendars"
