"""Many bots read many pairs through one hub: the exchange is asked as if there were one of them, or less."""

from pathlib import Path

import pytest

from tests.api.exchange.reading import candles_of, read_hub, spot_client
from tests.waiting import wait_for_async

BOTS, PAIRS, CLOSES = 32, 100, 2

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


async def test_32_bots_on_100_pairs_make_a_thirty_second_of_the_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases = [f"COIN{number}" for number in range(PAIRS)]
    symbols = [f"{base}/USDT" for base in bases]
    with read_hub(tmp_path, monkeypatch, *bases) as read:
        through, alone = [spot_client(read.address()) for _ in range(BOTS)], spot_client(read.exchange_url)
        asked, requests_of_one = read.exchange.asked, 0
        try:
            for number in range(CLOSES):
                if number:
                    read.clock.close()
                before = asked.total()
                expected = await candles_of(alone, symbols, 5)
                requests_of_one += asked.total() - before
                for client in through:
                    page = await candles_of(client, symbols, 5)
                    for symbol in symbols:
                        assert page[symbol][:-1] == expected[symbol][:-1]
                        assert page[symbol][-1][0] == expected[symbol][-1][0]
                await wait_for_async(lambda: len(set(read.exchange.sockets.subscribed)) == PAIRS, "the subscriptions")
        finally:
            for client in (*through, alone):
                await client.close()
        made = asked.total() - requests_of_one
    assert requests_of_one > CLOSES * PAIRS
    assert made * BOTS <= BOTS * requests_of_one
