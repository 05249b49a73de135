"""When a bot begins no deals for a while, because of how its last ones went."""

from decimal import Decimal

import pytest

from bots.protections import EndedDeal, Protections
from common.errors import BotConfigError

MINUTE = 60_000
GUARD = {"lookback_s": 600, "trade_limit": 2, "stop_duration_s": 1200}


def deal(minute: int, profit: int = 1, *, is_stop_loss: bool = False, stake: int = 100) -> EndedDeal:
    return EndedDeal(minute * MINUTE, is_stop_loss, Decimal(profit), Decimal(stake))


def locked(protections: dict[str, object], deals: list[EndedDeal], *minutes: int) -> list[bool]:
    read = Protections.parse({"protections": protections})
    return [read.lock_at(deals, minute * MINUTE) is not None for minute in minutes]


def test_without_protections_nothing_locks() -> None:
    assert locked({}, [deal(1, -90, is_stop_loss=True)] * 9, 1, 2) == [False, False]
    assert Protections().lookback_ms == 0


def test_after_a_deal_the_bot_cools_down() -> None:
    assert locked({"cooldown_s": 120}, [deal(5)], 4, 5, 6, 7) == [False, True, True, False]


def test_stop_losses_that_come_soon_after_each_other_lock() -> None:
    losses = [deal(1, -5, is_stop_loss=True), deal(5), deal(10, -5, is_stop_loss=True)]
    assert locked({"stop_loss_guard": GUARD}, losses, 9, 10, 29, 30) == [False, True, True, False]
    apart = [deal(1, -5, is_stop_loss=True), deal(12, -5, is_stop_loss=True)]
    assert locked({"stop_loss_guard": GUARD}, apart, 12, 13) == [False, False]


def test_a_lock_stays_when_the_deals_of_its_reason_grow_old() -> None:
    losses = [deal(1, -5, is_stop_loss=True), deal(2, -5, is_stop_loss=True)]
    assert locked({"stop_loss_guard": GUARD}, losses, 15, 21, 22) == [True, True, False]


def test_a_drawdown_locks() -> None:
    drawdown = {"lookback_s": 3600, "stop_duration_s": 600, "max_drawdown_pct": 10}
    down = [deal(1, 4), deal(2, -9), deal(3, -5)]
    assert locked({"max_drawdown": drawdown}, down[:2], 2) == [False]
    assert locked({"max_drawdown": drawdown}, down, 3, 12, 13) == [True, True, False]
    assert locked({"max_drawdown": drawdown | {"trade_limit": 4}}, down, 3) == [False]


def test_what_cannot_be_read_is_named() -> None:
    with pytest.raises(BotConfigError, match=r"protections\.stop_loss_guard\.trade_limit"):
        Protections.parse({"protections": {"stop_loss_guard": GUARD | {"trade_limit": 0}}})
    with pytest.raises(BotConfigError, match=r"protections\.cooldown"):
        Protections.parse({"protections": {"cooldown": 5}})
