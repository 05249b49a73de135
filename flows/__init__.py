"""What Prefect runs: ticks, and what keeps their state warm."""
