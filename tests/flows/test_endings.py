"""How many conditions have expired is what looking at each of them would say."""

from hypothesis import given
from hypothesis import strategies as st

from flows.endings import Endings
from registry.activity import ActiveSpan, wanted_from
from registry.groups import Group

GROUPS = [Group.parse(f"BINANCE:{symbol} 1h") for symbol in ("BTCUSDT", "ETHUSDT")]
names = st.sampled_from("abcdef")
ends = st.one_of(st.none(), st.integers(0, 20))
steps = st.one_of(
    st.tuples(st.just("note"), names, ends),
    st.tuples(st.just("forget"), names),
    st.tuples(st.just("judge"), st.sampled_from(GROUPS), st.integers(0, 20)),
)


@given(st.lists(steps, max_size=40))
def test_it_counts_as_if_it_looked_at_all(lived: list[tuple[object, ...]]) -> None:
    endings, activity = Endings(), dict[str, tuple[ActiveSpan, ...]]()
    judged: dict[Group, int | None] = dict.fromkeys(GROUPS)
    for step in lived:
        match step:
            case ("note", str(name), int() | None as until_ms):
                activity[name] = (ActiveSpan(0, until_ms),)
                endings.note(name, GROUPS[ord(name) % 2], activity[name])
            case ("forget", str(name)):
                endings.forget(name)
            case ("judge", Group() as group, int(close_ms)):
                judged[group] = max(close_ms, judged[group] or 0)
        expected = sum(wanted_from(activity[name], judged[group]) is None for name, group in endings.groups.items())
        assert endings.expired(activity, judged) == expected
