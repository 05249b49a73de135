"""What happens on a tick, and the same over a history.

``scan(conditions, candles)`` judges whole histories with the plan and the evaluation of the live flow.
"""

from flows.history import scan

__all__ = ["scan"]
