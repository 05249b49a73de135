"""What conditions did, why, and what they would have done.

``scan(conditions, candles)`` judges whole histories, with the same plan and evaluation as the live flow.
"""

from analysis.scan import scan

__all__ = ["scan"]
