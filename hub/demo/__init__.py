"""``hub demo``: the main job on real candles, with simulated bots and embedded servers."""
