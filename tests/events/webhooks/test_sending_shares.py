"""Turns of webhooks: every user has some, whatever others have."""

import pytest

from events.webhooks.sending_shares import SendingShares


@pytest.fixture
def share() -> SendingShares:
    return SendingShares(most=6, most_of_user=2, most_slow=3)


def turns(share: SendingShares, now_ms: int = 0) -> list[str]:
    """Everything that can be served now."""
    return list(iter(lambda: share.take(now_ms), None))


def test_users_take_turns_and_none_has_more_than_a_share(share: SendingShares) -> None:
    for number in range(5):
        share.offer(f"ann-{number}", "ann", 0)
    share.offer("bob-0", "bob", 0)
    assert turns(share) == ["ann-0", "bob-0", "ann-1"]
    share.done("ann-1", slow=False)
    assert turns(share) == ["ann-2"]


def test_slow_ones_leave_threads_to_the_others(share: SendingShares) -> None:
    names = [f"user-{number}" for number in range(8)]
    for name in names:
        share.offer(f"{name} hook", name, 0)
    first = turns(share)
    assert len(first) == 6
    for webhook_id in first:
        share.done(webhook_id, slow=True)
    rest = turns(share)
    for webhook_id in rest:
        share.done(webhook_id, slow=True)
    for name in names:
        share.offer(f"{name} hook", name, 0)
    assert len(turns(share)) == 3, "half of the threads"
    share.offer("kim hook", "kim", 0)
    assert turns(share) == ["kim hook"]
    share.done("kim hook", slow=False)
    share.done("user-0 hook", slow=False)
    share.offer("user-0 hook", "user-0", 0)
    assert "user-0 hook" in turns(share), "one that answers again is as quick as others"


def test_a_webhook_is_served_once_at_a_time_and_when_it_is_due(share: SendingShares) -> None:
    share.offer("a", "ann", 100)
    share.offer("a", "ann", 0)
    assert turns(share, 99) == []
    assert share.next_due_ms() == 100
    assert turns(share, 100) == ["a"]
    share.offer("a", "ann", 0)
    assert turns(share, 100) == []
    share.done("a", slow=None)
    share.offer("a", "ann", 0)
    assert turns(share, 100) == ["a"]
