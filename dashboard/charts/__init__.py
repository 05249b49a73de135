"""Chart options, made from frames by pure functions."""
