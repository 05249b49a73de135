"""Turns: a user with much work waits for it alone, and others for one piece of it at most."""

import asyncio
import threading

import pytest

from api.http import turns
from api.http.problems import ProblemError
from api.http.turns import Turns


def test_users_take_turns_however_much_one_of_them_brings() -> None:
    done: list[str] = []
    begin = threading.Event()

    async def scenario() -> None:
        shared = Turns("test-turns")
        first = asyncio.create_task(shared.run("ann", begin.wait))
        many = [asyncio.create_task(shared.run("ann", done.append, "ann")) for _ in range(20)]
        await asyncio.sleep(0)
        other = asyncio.create_task(shared.run("bob", done.append, "bob"))
        await asyncio.sleep(0)
        begin.set()
        await asyncio.gather(first, *many, other)
        assert not shared._queues
        shared.shutdown()

    asyncio.run(scenario())
    assert done.index("bob") <= 1
    assert done.count("ann") == 20


def test_what_waits_for_one_user_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_MOST_WAITING", 3)
    begin = threading.Event()

    async def scenario() -> None:
        shared = Turns("test-turns")
        waiting = [asyncio.create_task(shared.run("ann", begin.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(ProblemError) as refused:
            await shared.run("ann", begin.wait)
        assert refused.value.status_code == 429
        other = asyncio.create_task(shared.run("bob", begin.wait))
        begin.set()
        assert await asyncio.gather(*waiting, other) == [True] * 4
        shared.shutdown()

    asyncio.run(scenario())


def test_an_error_is_the_callers_and_frees_the_turn() -> None:
    def fail() -> None:
        raise ValueError("mine")

    async def scenario() -> None:
        shared = Turns("test-turns")
        with pytest.raises(ValueError, match="mine"):
            await shared.run("ann", fail)
        assert await shared.run("ann", len, "abc") == 3
        shared.shutdown()

    asyncio.run(scenario())
