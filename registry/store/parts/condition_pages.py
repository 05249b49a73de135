"""What is read of many conditions at once: a page of those that somebody looks for, and what has to be judged."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from registry.groups import Group

ConditionOrder = Literal["subscribers", "triggers", "last_trigger", "text", "registered"]


@dataclass(frozen=True)
class ConditionQuery:
    """Which conditions somebody wants to see; every part that is not empty narrows it."""

    words: str = ""
    """Words that the text contains, whatever their case, or that the id begins with."""
    symbols: tuple[str, ...] = ()
    """``BINANCE:BTCUSDT``"""
    timeframes: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    """``judged``; ``idle``: nobody has subscribed for too long; ``err``, ``retired``."""
    healths: tuple[str, ...] = ()
    """``ok``; ``stale``: not judged for longer than two candles take, and where markets have sessions, a week more;
    ``err``: it cannot be judged; ``unknown``: not judged yet."""
    order: ConditionOrder = "subscribers"
    """``registered`` is the order in which they were registered."""
    descending: bool = True
    """The greatest or newest first; equal ones in the order in which they were registered."""
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True)
class ConditionPage:
    """A page of the conditions that match."""

    matching: int
    """How many match in all."""
    rows: pl.DataFrame
    """``condition_id text symbol timeframe state health subscribers triggers last_trigger judged_until``; the times are
    UTC, and null where there is none. ``health`` is null for a condition that is idle or retired."""


@dataclass(frozen=True)
class WantedGroup:
    """A group with conditions that are to be judged."""

    group: Group
    from_ms: int
    """The close time after which candles have to be judged."""
    judged_until_ms: int | None
    """Its watermark, ``None`` before its first tick."""
    conditions: int
    """How many of its conditions are to be judged."""


@dataclass(frozen=True)
class UserUsage:
    """What a user's bots want of the hub."""

    user_id: str
    bots: int
    subscriptions: int
    """Active ones."""
    conditions: int
    """Different ones among them."""
    evaluations_per_day: float
    """What these bots would evaluate by themselves, one evaluation for each subscription and candle."""
