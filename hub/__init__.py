"""The command ``hub`` and the processes that it supervises."""
