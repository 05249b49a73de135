"""What conditions did, why, and what they would have done.

``scan(conditions, candles)`` judges whole histories with the plan and the evaluation of the live flow.
"""

from analysis.scan import scan

__all__ = ["scan"]
