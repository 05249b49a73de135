"""Fairness: what one user feels while another does the worst that the rates allow, with default settings.

The hub, the attacker and the measured user are three processes on the same cores.
"""

import asyncio
import itertools
import multiprocessing
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableSequence, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, Target, at_most, figure, times
from benchmarks.scale import Scale
from benchmarks.served import Served, hub_up
from benchmarks.service import filled
from engine.warming import warm

_HEADER = "BTCUSDT 1h: "
_PAUSE_S = 0.02
_WORST_RATIO, _WORST_MS = 4.0, 100.0
_ATTACKERS = 8
"""Connections of the attacker."""
_START_S = 30.0

Attack = Callable[[httpx.AsyncClient, random.Random], Awaitable[httpx.Response]]


def fairness(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """One hub; each attack runs while another user registers, asks for status, and previews."""
    warm(lambda _: None)
    with tempfile.TemporaryDirectory() as made:
        keys = filled(Path(made) / "fair", 200, 2 + len(ATTACKS))
        with hub_up(Path(made) / "fair", {}) as served:
            served.settle()
            return asyncio.run(_measured(scale, served, keys))


async def _measured(scale: Scale, served: Served, keys: list[str]) -> Section:
    rows, targets = [], list[Target]()
    numbers = itertools.count(1)
    async with _client(served.url, keys[0]) as user:
        await _asked(user, numbers, 10)
        quiet = await _asked(user, numbers, scale.fair_requests)
        rows.append(["nothing", *(figure(quiet[what]) for what in quiet), "-", "-"])
        for name, key in zip(ATTACKS, keys[1:], strict=False):
            with _attacked(served, key, name) as answers:
                under = await _asked(user, numbers, scale.fair_requests)
            worst = max(under[what] / quiet[what] for what in quiet)
            rows.append(
                [name, *(figure(under[what]) for what in quiet), times(worst), f"{answers[0]:,}, {answers[1]:,}"]
            )
            targets.append(at_most(f"p95 during {name}, to the quiet p95", _WORST_RATIO, worst, "x"))
            targets.append(at_most(f"p95 during {name}", _WORST_MS, max(under.values()), " ms"))
    remark = (
        f"p95 in milliseconds of {scale.fair_requests} registrations, as many status requests and a tenth as many"
        " previews of one user, one at a time, client included, while another user sends"
        f" from {_ATTACKERS} connections as much as his rates allow;"
        " the last column counts the attacker's requests that were let in, and those that were refused with 429."
    )
    header = ("the other user sends", "register", "status", "preview", "worst ratio", "let in, refused")
    return Section("Fairness", [Table(remark, header, rows)], targets)


async def _asked(user: httpx.AsyncClient, numbers: "itertools.count[int]", rounds: int) -> dict[str, float]:
    """p95 of each kind of request in milliseconds."""
    spent: dict[str, list[float]] = {"register": [], "status": [], "preview": []}

    async def timed(what: str, request: Awaitable[httpx.Response]) -> httpx.Response:
        started = time.perf_counter()
        answer = await request
        spent[what].append((time.perf_counter() - started) * 1e3)
        answer.raise_for_status()
        return answer

    for number in itertools.islice(numbers, rounds):
        text = f"{_HEADER}close > {number}"
        made = await timed("register", user.post("/conditions/register", json={"condition": text}))
        await timed("status", user.get(f"/conditions/{made.json()['condition_id']}/status"))
        # As many previews as the rate allows: every tenth round.
        if number % 10 == 0 or not spent["preview"]:
            await timed("preview", user.post("/conditions/preview", json={"condition": text}))
        await asyncio.sleep(_PAUSE_S)
    return {what: sorted(each)[min(len(each) - 1, int(0.95 * len(each)))] for what, each in spent.items()}


@contextmanager
def _attacked(served: Served, key: str, name: str) -> Iterator[Sequence[int]]:
    """Attack from a process of its own until the block ends; counts requests let in, and those refused."""
    context = multiprocessing.get_context("spawn")
    answers = context.RawArray("q", 2)
    attacker = context.Process(target=_attack, args=(served.url, key, name, answers), daemon=True)
    attacker.start()
    try:
        until = time.perf_counter() + _START_S
        while not any(answers) and time.perf_counter() < until:
            time.sleep(_PAUSE_S)
        yield answers
    finally:
        attacker.terminate()
        attacker.join()


def _attack(url: str, key: str, name: str, answers: MutableSequence[int]) -> None:
    asyncio.run(_attacking(url, key, ATTACKS[name], answers))


async def _attacking(url: str, key: str, attack: Attack, answers: MutableSequence[int]) -> None:
    async def again(attacker: httpx.AsyncClient, seed: int) -> None:
        dice = random.Random(seed)
        while True:
            answer = await attack(attacker, dice)
            answers[answer.status_code == 429] += 1
            # Whoever is refused asks again soon, as those who do not read Retry-After do.
            await asyncio.sleep(_PAUSE_S * 5 if answer.status_code == 429 else 0)

    async with _client(url, key) as attacker:
        await asyncio.gather(*(again(attacker, seed) for seed in range(_ATTACKERS)))


def _client(url: str, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=120)


def _long(dice: random.Random) -> str:
    """As many words as a condition may have."""
    mark = dice.randrange(10**9)
    return _HEADER + " and ".join(f"close + {mark} + open + {number} * high > 1" for number in range(31))


def _unfolding(dice: random.Random) -> str:
    periods = [dice.randint(2, 1000) for _ in range(2)]
    return f"{_HEADER}rsi({periods[0]})@4h + rsi({periods[1]})@4h + ema(3) rises_by 1% within 500 bars"


async def _nonsense(attacker: httpx.AsyncClient, dice: random.Random) -> httpx.Response:
    return await attacker.post("/conditions/register", json={"condition": f"{_long(dice)} and close >".ljust(4_000)})


async def _unfolded(attacker: httpx.AsyncClient, dice: random.Random) -> httpx.Response:
    return await attacker.post("/conditions/register", json={"condition": _unfolding(dice)})


async def _bulk(attacker: httpx.AsyncClient, dice: random.Random) -> httpx.Response:
    body = {"conditions": [_long(dice).ljust(4_000) for _ in range(250)]}
    return await attacker.post("/conditions/register/bulk", json=body)


ATTACKS: Mapping[str, Attack] = {
    "invalid texts of 4 KB": _nonsense,
    "texts that unfold": _unfolded,
    "bulk bodies of 1 MB": _bulk,
}
