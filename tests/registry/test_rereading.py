"""Reading stored conditions again finds what reading each by itself would find, and knows when that has to be done."""

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import rereading
from registry.conditions import Condition
from registry.language.surface import SurfaceNode
from registry.rereading import Reread, Rereader, definitions, why_changed
from tests.registry.language.reference import SERIES
from tests.registry.language.strategies import any_tree, examples
from tests.registry.store.files.yesterday import RSI_VERSION, formulas

HEADS = (
    "rsi(14, close) <",
    "close - open >",
    "rsi(14, close)[1] crosses_above",
    "any(close > 5, rsi(14, close) < 30) for 2 bars and close >",
    "close rises_by",
    "0 - close <",
    "macd(12, 26, 9).histogram >",
    "5 <",
)


def as_read(again: Reread) -> tuple[object, ...]:
    """All that has to be equal."""
    condition = again.condition
    if condition is None:
        return (again.reason,)
    read = (
        condition.id,
        condition.canonical,
        condition.tree,
        condition.text,
        condition.momentary,
        condition.all_series,
    )
    return (*read, again.reason)


numbers = st.one_of(st.integers(-50, 50), st.floats(-1e6, 1e6), st.sampled_from((0, -0.0, 1e-9, 1e15, 2.5e-7)))


@given(st.lists(st.tuples(st.sampled_from(HEADS), numbers), min_size=2, max_size=6))
@examples(60)
def test_siblings_are_read_as_they_would_be_alone(written: list[tuple[str, float]]) -> None:
    rereader = Rereader()
    for head, number in written:
        text = f"BINANCE:BTCUSDT 1h: {head} {number!r}"
        assert as_read(rereader.reread("", text, text, "")) == as_read(Rereader().reread("", text, text, ""))


@given(st.lists(any_tree, min_size=1, max_size=4))
@examples(60)
def test_what_has_not_changed_is_what_it_was(trees: list[SurfaceNode]) -> None:
    rereader = Rereader()
    for condition in [Condition._of(SERIES, tree) for tree in trees]:
        again = rereader.reread(condition.id, condition.canonical, condition.text, condition.definition_versions)
        assert (again.condition, again.reason) == (condition, "")
        assert again.condition is not None
        assert again.condition.tree == condition.tree


def test_a_reason_names_what_changed() -> None:
    condition = Condition.parse("BTCUSDT 1h: all(rsi(14) < 30, close > sma(20))")
    with formulas(rsi=7):
        now = Condition.restored(condition.canonical)
        assert why_changed(condition.canonical, condition.definition_versions, now) == (
            f"the formula of rsi changed from version {RSI_VERSION} to 7"
        )
        assert why_changed("before", now.definition_versions, now) == (
            f"it is written {now.canonical} in this version of the language"
        )


def test_the_digest_follows_formulas_and_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    before = definitions()
    assert definitions() == before
    with formulas(rsi=7):
        assert definitions() != before
    assert definitions() == before
    sources = dict(rereading._sources(files("registry").joinpath("language"), True))
    assert {"as_text/grammar.lark", "canonical.py", "as_text/reading.py"} <= sources.keys()
    assert "conditions.py" in dict(rereading._sources(files("registry"), False))
    assert not any("store" in name for name, _ in rereading._sources(files("registry"), False))
    monkeypatch.setattr(rereading, "_program", lambda: "another program")
    assert definitions() != before


def test_a_short_text_that_means_the_same_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    condition = Condition.parse("BTCUSDT 1h: close rises_by 1% within 100 bars")
    read: list[str] = []
    restored = Condition.restored

    def noted(spelling: str) -> Condition:
        read.append(spelling)
        return restored(spelling)

    monkeypatch.setattr(Condition, "restored", noted)
    row = (condition.id, condition.canonical, condition.text, condition.definition_versions)
    assert Rereader().reread(*row) == Reread(condition, "")
    assert read == [condition.text]
    other = "BINANCE:BTCUSDT 1h: close rises_by 2% within 100 bars"
    assert Rereader().reread(condition.id, condition.canonical, other, "") == Reread(condition, "")
    assert read[-1] == condition.canonical
