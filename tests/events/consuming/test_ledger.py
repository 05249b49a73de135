"""Effects happen once: in the ledger's file with their mark, elsewhere with a client order id and a question."""

import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from events.consuming.ledger import Ledger, LedgerInUse, client_order_id

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.ledger"


def table(ledger: Ledger) -> None:
    with ledger.transaction() as transaction:
        transaction.execute("CREATE TABLE IF NOT EXISTS positions (bot TEXT, price REAL)")


def positions(ledger: Ledger) -> list[tuple[str, float]]:
    with ledger.transaction() as transaction:
        return list(transaction.execute("SELECT bot, price FROM positions"))


def write_much(ledger: Ledger, nested: bool) -> None:
    with ledger.transaction(), ledger.transaction() if nested else nullcontext():
        ledger._connection.execute("INSERT INTO positions VALUES (?, 1)", ["x" * 1_000_000])


def fail(ledger: Ledger, effect_id: str) -> None:
    with ledger.once(effect_id) as effect:
        assert effect is not None
        effect.execute("INSERT INTO positions VALUES ('inner', 1)")
        raise ValueError("no")


def test_an_effect_in_the_file_happens_once(path: Path) -> None:
    for _ in range(3):
        with Ledger(path) as ledger:
            table(ledger)
            for _ in range(2):
                with ledger.once("trigger:bot") as effect:
                    if effect is not None:
                        effect.execute("INSERT INTO positions VALUES ('bot', 1.5)")
            assert positions(ledger) == [("bot", 1.5)]


def test_an_effect_that_fails_leaves_neither_itself_nor_its_mark(path: Path) -> None:
    with Ledger(path) as ledger:
        table(ledger)
        with pytest.raises(ValueError, match="no"):
            fail(ledger, "a")
        assert positions(ledger) == []
        with ledger.once("a") as effect:
            assert effect is not None


def test_a_part_of_a_transaction_is_undone_alone(path: Path) -> None:
    with Ledger(path) as ledger:
        table(ledger)
        with ledger.transaction() as transaction:
            transaction.execute("INSERT INTO positions VALUES ('outer', 1)")
            with pytest.raises(ValueError, match="no"):
                fail(ledger, "a")
        assert positions(ledger) == [("outer", 1.0)]


KILLED = """
    import os, signal
    from events.consuming.ledger import Ledger

    ledger = Ledger({path!r})
    with ledger.transaction() as transaction:
        transaction.execute("CREATE TABLE IF NOT EXISTS positions (bot TEXT, price REAL)")
    with ledger.once("first") as effect:
        effect.execute("INSERT INTO positions VALUES ('first', 1)")
    with ledger.once("second") as effect:
        effect.execute("INSERT INTO positions VALUES ('second', 1)")
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_whole_effects_and_no_halves(path: Path) -> None:
    program = textwrap.dedent(KILLED.format(path=str(path)))
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == -9
    with Ledger(path) as ledger:
        assert positions(ledger) == [("first", 1.0)]
        with ledger.once("second") as effect:
            assert effect is not None


class Exchange:
    """Takes orders by client order id and forgets none; some attempts fail before they reach it, some after."""

    def __init__(self) -> None:
        self.orders: list[str] = []
        self.questions = 0

    def buy(self, order_id: str) -> str:
        self.orders.append(order_id)
        return f"bought {order_id}"

    def buy_and_time_out(self, order_id: str) -> str:
        self.orders.append(order_id)
        raise TimeoutError

    def fail(self, order_id: str) -> str:
        raise ConnectionError

    def has(self, order_id: str) -> bool:
        self.questions += 1
        return order_id in self.orders


def test_an_effect_elsewhere_happens_once_and_asks_nobody_if_nothing_went_wrong(path: Path) -> None:
    exchange = Exchange()
    for _ in range(2):
        with Ledger(path) as ledger:
            assert ledger.perform("id", exchange.buy, confirm=exchange.has) in ("bought id", None)
    assert exchange.orders == ["id"]
    assert exchange.questions == 0


def test_an_answer_that_got_lost_is_asked_for_before_anything_is_done_again(path: Path) -> None:
    exchange = Exchange()
    with Ledger(path) as ledger, pytest.raises(TimeoutError):
        ledger.perform("id", exchange.buy_and_time_out, confirm=exchange.has)
    with Ledger(path) as ledger:
        assert ledger.pending() == ["id"]
        assert ledger.perform("id", exchange.buy, confirm=exchange.has) is None
        assert ledger.pending() == []
    assert exchange.orders == ["id"]


def test_what_did_not_happen_is_done_again(path: Path) -> None:
    exchange = Exchange()
    with Ledger(path) as ledger:
        with pytest.raises(ConnectionError):
            ledger.perform("id", exchange.fail, confirm=exchange.has)
        assert ledger.perform("id", exchange.buy, confirm=exchange.has) == "bought id"
    assert exchange.orders == ["id"]


def test_a_restart_settles_what_is_pending(path: Path) -> None:
    exchange = Exchange()
    with Ledger(path) as ledger:
        for name, act in (("there", exchange.buy_and_time_out), ("lost", exchange.fail), ("late", exchange.fail)):
            with pytest.raises((TimeoutError, ConnectionError)):
                ledger.perform(name, act, confirm=exchange.has)
        assert sorted(ledger.confirm_pending(exchange.has)) == ["late", "lost"]
        ledger.give_up("late")
        assert ledger.pending() == ["lost"]
        assert ledger.perform("late", exchange.buy, confirm=exchange.has) is None
        assert ledger.perform("lost", exchange.buy, confirm=exchange.has) == "bought lost"


def test_two_threads_with_one_effect_act_once(path: Path) -> None:
    exchange = Exchange()
    entered = threading.Event()

    def slow(order_id: str) -> str:
        entered.set()
        threading.Event().wait(0.05)
        return exchange.buy(order_id)

    with Ledger(path) as ledger:
        first = threading.Thread(target=lambda: ledger.perform("id", slow, confirm=exchange.has))
        first.start()
        assert entered.wait(10)
        assert ledger.perform("id", exchange.buy, confirm=exchange.has) is None
        first.join()
    assert exchange.orders == ["id"]
    assert exchange.questions == 0, "the second thread waited for the first"


def test_an_effect_elsewhere_is_refused_inside_a_transaction(path: Path) -> None:
    exchange = Exchange()
    with Ledger(path) as ledger, ledger.transaction(), pytest.raises(RuntimeError, match="outside"):
        ledger.perform("id", exchange.buy, confirm=exchange.has)
    assert exchange.orders == []


def test_old_marks_are_dropped_and_pending_ones_stay(path: Path) -> None:
    exchange = Exchange()
    with Ledger(path) as ledger:
        ledger.perform("done", exchange.buy, confirm=exchange.has)
        with pytest.raises(ConnectionError):
            ledger.perform("pending", exchange.fail, confirm=exchange.has)
        assert ledger.forget_before(0) == 0
        assert ledger.forget_before(1 << 60) == 1
        assert ledger.pending() == ["pending"]


def test_marks_are_dated_by_the_clock_that_was_passed_in(path: Path) -> None:
    exchange = Exchange()
    with Ledger(path, now_ms=lambda: 1_000) as ledger:
        ledger.perform("id", exchange.buy, confirm=exchange.has)
        assert ledger.forget_before(1_000) == 0
        assert ledger.forget_before(1_001) == 1


def test_a_second_process_is_told_to_take_another_ledger(path: Path) -> None:
    with Ledger(path):
        program = f"from events.consuming.ledger import Ledger; Ledger({str(path)!r})"
        shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
        assert "LedgerInUse" in shown.stderr
        assert "another name" in shown.stderr
    assert issubclass(LedgerInUse, RuntimeError)


def test_order_ids_are_the_same_for_the_same_and_differ_otherwise() -> None:
    known = client_order_id("bot", "c" * 32, 1_722_816_000_000, "buy")
    assert known == client_order_id("bot", "c" * 32, 1_722_816_000_000, "buy")
    assert len(known) == 32
    assert int(known, 16)
    others = [("bot1", "c"), ("bot", "1c"), ("bo", "tc")]
    assert len({client_order_id(bot, condition, 1, "buy") for bot, condition in others}) == 3
    assert client_order_id("bot", "c", 1, "buy") != client_order_id("bot", "c", 1, "buy 2")


def test_a_bot_needs_nothing_of_the_hub_for_it() -> None:
    probe = "import sys, events.consuming.ledger; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.split(".")[0] for name in shown.stdout.split()}
    assert "events" in loaded
    assert not loaded & {"registry", "flows", "redis", "duckdb", "polars", "pydantic", "numpy", "msgspec"}


@pytest.mark.parametrize("nested", [False, True])
def test_a_full_disk_leaves_no_transaction_open(path: Path, nested: bool) -> None:
    """What follows would become part of it, and would never be on disk."""
    with Ledger(path) as ledger:
        table(ledger)
        connection = ledger._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            write_much(ledger, nested)
        assert not connection.in_transaction
        connection.execute(f"PRAGMA max_page_count = {pages + 100}")
        with ledger.once("trigger:bot") as effect:
            assert effect is not None
            effect.execute("INSERT INTO positions VALUES ('bot', 1)")
    with Ledger(path) as ledger:
        assert positions(ledger) == [("bot", 1.0)]


def test_a_commit_that_fails_is_undone(path: Path) -> None:
    with Ledger(path) as ledger:
        table(ledger)
        with ledger.transaction() as transaction:
            transaction.execute("CREATE TABLE orders (position INTEGER REFERENCES bots DEFERRABLE INITIALLY DEFERRED)")
            transaction.execute("CREATE TABLE bots (number INTEGER PRIMARY KEY)")
        ledger._connection.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError), ledger.transaction() as transaction:
            transaction.execute("INSERT INTO orders VALUES (1)")  # refused by the commit
        assert not ledger._connection.in_transaction
        with ledger.transaction() as transaction:
            transaction.execute("INSERT INTO positions VALUES ('bot', 1)")
    with Ledger(path) as ledger:
        assert positions(ledger) == [("bot", 1.0)]
