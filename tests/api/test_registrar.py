"""Registrations that share a commit: what is wrong with one of them is its own."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from api.registrar import Registrar
from common.errors import QuotaExceeded
from registry.conditions import Condition
from registry.store.parts.registry import RegisterResult

CONDITIONS = [Condition.parse(f"BTCUSDT 1h: close > {number}") for number in range(1, 13)]


async def test_a_user_beyond_the_quota_takes_nobody_along_and_still_gets_the_rest_of_it() -> None:
    written: list[list[str]] = []
    taken: Counter[str] = Counter()

    async def write(batch: Sequence[tuple[Condition, str]]) -> list[RegisterResult]:
        """Two of each user, or none of a batch."""
        await asyncio.sleep(0)
        more = Counter(user_id for _, user_id in batch)
        for user_id, count in more.items():
            if taken[user_id] + count > 2:
                raise QuotaExceeded("too many", user_id, wait_s=1)
        taken.update(more)
        written.append([user_id for _, user_id in batch])
        return [RegisterResult(condition.id, created=True) for condition, _ in batch]

    registrar = Registrar(write)
    users = ["ann", "bob", "bob", "ann", "ann", "eve", "eve", "eve", "ann", "kim"]
    answers = await asyncio.gather(
        *(registrar.register(condition, user_id) for condition, user_id in zip(CONDITIONS, users, strict=False)),
        return_exceptions=True,
    )
    refused = Counter(
        user_id for user_id, answer in zip(users, answers, strict=True) if isinstance(answer, QuotaExceeded)
    )
    assert refused == {"ann": 2, "eve": 1}
    assert taken == {"ann": 2, "bob": 2, "eve": 2, "kim": 1}
    assert ["bob", "bob", "kim"] in written, "whoever is within the quota shares a commit"
