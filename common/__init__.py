"""What every folder stands on: errors, clock, timeframes, settings, processes, failpoints, console."""
