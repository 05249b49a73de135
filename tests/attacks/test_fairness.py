"""One user at the limit of his rates: others are served, memory and disk stay bounded, and quotas outlive restarts.

A real ``hub up`` with its store and its Valkey, users over real sockets. ``HUB_TEST_EFFORT`` repeats the attacks.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import duckdb
import httpx
import pytest

from benchmarks.served import Served, hub_up
from registry.keys import new_key
from registry.store.files.file_store import FileStore
from tests.api.served_hub import few_candles
from tests.chaos.processes import EFFORT

HEADER = "BTCUSDT 1h: "
MOST_WRITES = 3_000
"""The default rate of writes in a minute."""


def make_store(folder: Path) -> dict[str, str]:
    """A data folder with some candles; returns the keys of its users."""
    keys = {}
    with FileStore(folder / "hub" / "store") as store:
        store.candles.upsert(few_candles())
        for user in ("ann", "eve", "mallory", "trudy"):
            key, keys[user] = new_key(user, "user", "", 0)
            store.accounts.add_key(key)
    return keys


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """A data folder of this test; the keys of its users."""
    return make_store(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, str]]]:
    """A hub with default settings that has loaded its kernels; each test attacks as another user."""
    folder = tmp_path_factory.mktemp("shared")
    keys = make_store(folder)
    with serving(folder) as served:
        served.settle()
        yield served, keys


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Served]:
    """A hub on that data folder."""
    with hub_up(folder / "hub", settings) as served:
        yield served


def client(served: Served, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=served.url, headers=headers, timeout=120, limits=httpx.Limits(max_connections=64))


def register(user: httpx.Client, text: str) -> httpx.Response:
    return user.post("/conditions/register", json={"condition": text})


def long_text(mark: int, size: int = 4_000) -> str:
    """As much to parse as fits: comparisons up to the limit of words, and blanks."""
    text = " and ".join(f"close + {mark} + open + {number} * high + low - volume / 3 > 1" for number in range(30))
    return HEADER + text.ljust(size)


def test_large_bulk_registrations_keep_nobody_waiting(shared: tuple[Served, dict[str, str]]) -> None:
    """More of them than the store has threads: a neighbour's registration and status come through meanwhile."""
    served, keys = shared
    with client(served, keys["ann"]) as ann, client(served, keys["eve"]) as eve:
        first = register(ann, HEADER + "close > 1").json()["condition_id"]
        for turn in range(EFFORT):
            bodies = [
                {"conditions": [long_text(10_000 * turn + 1_000 * body + place) for place in range(250)]}
                for body in range(40)
            ]
            with ThreadPoolExecutor(len(bodies)) as threads:
                attacks = [threads.submit(eve.post, "/conditions/register/bulk", json=body) for body in bodies]
                # The refused ones are answered at once; an accepted one is being read.
                wait(attacks, return_when=FIRST_COMPLETED)
                for number in range(20):
                    assert register(ann, f"{HEADER}close > {100 * turn + number + 2}").status_code == 201
                    assert ann.get(f"/conditions/{first}/status").status_code == 200
                is_over = all(attack.done() for attack in attacks)
                statuses = Counter(attack.result().status_code for attack in attacks)
            # In later turns the attacker's rate is used up, and everything may be refused at once.
            assert turn or not is_over, "a neighbour was served only after the attack"
            assert set(statuses) <= {200, 429}
            assert statuses[429] >= len(bodies) - 10, statuses


def test_long_nonsense_costs_its_sender_the_rate(shared: tuple[Served, dict[str, str]]) -> None:
    served, keys = shared
    texts = {
        "an open list": HEADER + "all(" + long_text(1)[len(HEADER) :].rstrip(),
        "unknown words": HEADER + " ".join(["crosss_abovve"] * 250),
        "a foreign character": long_text(2).rstrip() + " ? 1",
        "numbers": HEADER + "close" + " + 1" * 1_000,
        "a tree": '{"symbol": "BTCUSDT", "timeframe": "1h", "when": {"all": ["' + "close + " * 480 + '"]}}',
    }
    with client(served, keys["mallory"]) as eve:
        answers = Counter[int]()
        for _ in range(MOST_WRITES // 5):
            for text in texts.values():
                refused = register(eve, text)
                answers[refused.status_code] += 1
            if answers[429]:
                break
        assert set(answers) == {422, 429}
        assert answers[422] <= MOST_WRITES // 12, "each counts as often as its bytes are many"
        assert refused.status_code == 429
        assert refused.headers["RateLimit-Remaining"] == "0" or "send less at once" in refused.json()["detail"]
        assert int(refused.headers["Retry-After"]) <= 60
    with client(served, keys["ann"]) as ann:
        assert register(ann, HEADER + "close > 1").status_code in (200, 201)


def unfolding(number: int) -> str:
    """A short text with a canonical form of 250,000 characters."""
    return f"{HEADER}macd(12, 26, {number}).histogram{' + macd.histogram' * 2} rises_by 1% within 500 bars"


def test_conditions_that_unfold_cost_their_sender_the_rate(shared: tuple[Served, dict[str, str]]) -> None:
    served, keys = shared
    with client(served, keys["trudy"]) as trudy:
        begun = time.monotonic()
        answers = []
        for number in range(500, 532):
            answers.append(register(trudy, unfolding(number)))
            if answers[-1].status_code == 429:
                break
        minutes = 1 + int((time.monotonic() - begun) // 60)
    statuses = [answer.status_code for answer in answers]
    size = len(answers[0].json()["canonical"])
    assert statuses.count(201) <= minutes * (MOST_WRITES // (size // 1_000))
    assert set(statuses) == {201, 429}


def test_configurations_sent_again_are_kept_once_and_quotas_outlive_a_restart(
    tmp_path: Path, keys: dict[str, str]
) -> None:
    bots, rounds, size = 20, 8 * EFFORT, 58_000
    dice = random.Random(1)
    settings = {
        "HUB_API_RATE_WRITE": "9000000/minute",
        "HUB_QUOTA_CONFIG_BYTES": str(bots * (size + 100)),
        "HUB_QUOTA_CONDITION_BYTES": "100000",
    }
    texts = [f"{HEADER}close rises_by {number}% within 500 bars" for number in range(1, 6)]
    with serving(tmp_path, **settings) as served, client(served, keys["eve"]) as eve:
        condition = register(eve, HEADER + "close > 1").json()["condition_id"]

        def subscribe(user: httpx.Client, bot: int, secret: str) -> int:
            config = {"secret": secret, "filler": dice.randbytes(size // 2).hex()}
            body = {"bot_id": f"b{bot}", "condition_id": condition, "bot_type": "dca", "bot_config": config}
            return user.post("/conditions/subscribe", json=body).status_code

        for turn in range(rounds):
            for bot in range(bots):
                assert subscribe(eve, bot, f"{turn}-{bot}") == (200 if turn else 201)
        assert subscribe(eve, bots, "one too many") == 403
        assert [register(eve, text).status_code for text in texts] == [201, 201, 201, 429, 429]
    with duckdb.connect(str(tmp_path / "hub" / "store" / "registry.duckdb"), read_only=True) as file:
        (kept,) = file.execute("SELECT count(bot_config) FROM user_condition_subscriptions").fetchall()
    assert bots <= kept[0] <= bots + 4 * 2**20 // size + 1 < bots * rounds, "but for a few that wait to be dropped"
    with (
        serving(tmp_path, **settings) as served,
        client(served, keys["eve"]) as eve,
        client(served, keys["ann"]) as ann,
    ):
        assert subscribe(eve, bots, "one too many") == 403
        assert register(eve, texts[3]).status_code == 429
        assert register(ann, texts[3]).status_code == 201
        assert eve.post("/conditions/unsubscribe", json={"bot_id": "b0", "condition_id": condition}).status_code == 200
        assert subscribe(eve, bots, "in its place") == 201
    with FileStore(tmp_path / "hub" / "store") as store:
        for bot in range(1, bots):
            config = store.registry.bot_config("eve", f"b{bot}", condition)
            assert config is not None
            assert config["secret"] == f"{rounds - 1}-{bot}"
