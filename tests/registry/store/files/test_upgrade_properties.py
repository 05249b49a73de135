"""Whatever bots have subscribed to, and however conditions join: nobody loses or gains a subscription by an upgrade."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clock import ReplayClock
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from registry.subscriptions import DeliveryPolicy
from tests.api.served_hub import few_candles
from tests.registry.store.files.yesterday import write_as

SPELLINGS = ("{} > RSI(14)", "RSI(14) < {}.0", "rsi < {}", "rsi(14, close) < {}")
"""How versions of the language may have written one condition; the last one is how it is written today."""


@dataclass(frozen=True)
class Asked:
    """A bot asks for a condition, and perhaps pauses or ends that again."""

    bot: str
    condition: int
    max_fires: int
    active_from_ms: int
    then: str


conditions = st.lists(st.tuples(st.sampled_from((20, 30)), st.integers(0, 3)), min_size=1, max_size=5, unique=True)
"""Threshold and spelling."""
asked = st.lists(
    st.builds(
        Asked,
        st.sampled_from("ab"),
        st.integers(0, 4),
        st.integers(1, 9),
        st.integers(0, 5),
        st.sampled_from(("stay", "stay", "pause", "end", "pause and resume")),
    ),
    max_size=10,
)


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """An empty store with an instrument."""
    with tempfile.TemporaryDirectory() as folder:
        with FileStore(Path(folder) / "store") as store:
            store.candles.upsert(few_candles())
        yield Path(folder) / "store"


@settings(max_examples=12)
@given(written=conditions, asked=asked)
def test_every_subscription_goes_on_in_one_place(
    template: Path, written: list[tuple[int, int]], asked: list[Asked]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "store"
        shutil.copytree(template, folder)
        clock = ReplayClock(0)
        typed = [Condition.parse(f"BTCUSDT 1h: rsi(14) < {1000 + number}") for number in range(len(written))]
        requests = [each for each in asked if each.condition < len(written)]
        with FileStore(folder, clock=clock) as store:
            registry = store.registry
            registry.register(typed, active_from_ms=0)
            for number, each in enumerate(requests, 1):
                clock.move_to(number)
                key = ("ann", each.bot, typed[each.condition].id)
                request = SubscriptionRequest(*key, "dca", {"number": number}, DeliveryPolicy(max_fires=each.max_fires))
                registry.subscribe([request], active_from_ms=each.active_from_ms)
                if each.then.startswith("pause"):
                    registry.set_paused(*key, True, at_ms=number)
                if each.then.endswith("resume"):
                    registry.set_paused(*key, False, at_ms=number)
                if each.then == "end":
                    registry.unsubscribe(*key, at_ms=number)
            before = registry.subscriptions_of("ann")
            configs = {
                (one.bot_id, one.condition_id): registry.bot_config("ann", one.bot_id, one.condition_id)
                for one in before
            }
            version = registry.version()
        old_ids = {
            condition.id: write_as(folder, condition.id, f"BINANCE:BTCUSDT 1h: {SPELLINGS[spelling].format(level)}")
            for condition, (level, spelling) in zip(typed, written, strict=True)
        }
        today = {
            old_ids[condition.id]: Condition.parse(f"BTCUSDT 1h: rsi(14) < {level}").id
            for condition, (level, _) in zip(typed, written, strict=True)
        }

        with FileStore(folder, clock=clock) as store:
            registry = store.registry
            after = {(one.bot_id, one.condition_id): one for one in registry.subscriptions_of("ann")}
            joined = {
                (one.bot_id, today[old_ids[one.condition_id]]): [
                    each
                    for each in before
                    if (each.bot_id, today[old_ids[each.condition_id]])
                    == (one.bot_id, today[old_ids[one.condition_id]])
                ]
                for one in before
            }
            assert after.keys() == joined.keys()
            for where, parts in joined.items():
                last = max(parts, key=lambda one: (one.created_ms, one.change))
                active = [one.active_from_ms for one in parts if one.state == "active"]
                now = after[where]
                assert (now.policy, now.created_ms, now.config_bytes) == (
                    last.policy,
                    last.created_ms,
                    last.config_bytes,
                )
                assert registry.bot_config("ann", *where) == configs[last.bot_id, last.condition_id]
                assert now.state == ("active" if active else "paused")
                assert now.active_from_ms == min(active, default=last.active_from_ms)
            assert {each.condition_id for each in registry.conditions()} == set(today.values())
            assert all(registry.successor(old) == new for old, new in today.items())
            wanted = {condition_id for _, condition_id in after}
            assert {name for name in set(today.values()) if registry.activity_of(name)[-1].until_ms is None} == wanted
            assert registry.version() >= version
            assert [finding for finding in store.check() if finding.problem is not None] == []
            state = (after, registry.activity(), registry.version())
        with FileStore(folder, clock=clock) as store:
            registry = store.registry
            again = {(one.bot_id, one.condition_id): one for one in registry.subscriptions_of("ann")}
            assert (again, registry.activity(), registry.version()) == state
