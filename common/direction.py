"""Which way a trade goes."""

from typing import Literal

Direction = Literal["long", "short"]
"""Bought to be sold again, or sold to be bought back."""
