"""Real processes by another clock: one that runs faster, or shows another day."""
