"""``hub demo``: the whole hub on real candles, with simulated bots and bundled servers."""
