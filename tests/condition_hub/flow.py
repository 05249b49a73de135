"""What a bot does with the client alone, run by ``test_distribution.py`` with an interpreter that has nothing else.

Its argument is the folder that has the packages. It prints lines of JSON: what it did, then, after its first trigger,
how it went on.
"""

import asyncio
import json
import sys
from typing import Any

TEXT = "BTCUSDT 1h: every(close > 0)"
RSI = {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "RSI", "operator": "<", "value": 1}


def say(**fields: Any) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


async def refusals(url: str) -> list[str]:
    """The names of the errors that wrong calls raise."""
    from condition_hub import ApiError, ApiRefused, AsyncHubClient, NotFound

    names = []
    async with AsyncHubClient() as client:
        try:
            await client.register_condition({**RSI, "operator": "falls below"})
        except ApiRefused as error:
            names.append(f"{type(error).__name__} {error.status} {error.field}")
        try:
            await client.status("0" * 32)
        except NotFound as error:
            names.append(f"{type(error).__name__} {error.status}")
    async with AsyncHubClient(url, "hub_wrong") as stranger:
        try:
            await stranger.status("0" * 32)
        except ApiError as error:
            names.append(type(error).__name__)
    return names


async def main() -> None:
    from condition_hub import AsyncHubClient, HubClient, defaults, register_condition, subscribe_bot

    with HubClient() as blocking:
        condition_id = blocking.register_condition(TEXT)
        blocking.subscribe_bot("bot", condition_id, "dca", {"size": 1})
        preview = blocking.preview(TEXT, last=1)
        previewed = blocking.preview_many([TEXT, RSI], start=preview.start, end=preview.end)
        url = blocking.address.url
    with defaults(symbol="BTCUSDT", timeframe="1h"):
        other = await register_condition("rsi < 1")
    await subscribe_bot("bot", other, "dca")
    async with AsyncHubClient() as client:
        stream = client.triggers(bot_id="bot", after_seq=0)
        waiting = asyncio.ensure_future(anext(stream))
        say(
            condition_id=condition_id,
            other=other,
            preview=[preview.candles, preview.triggers],
            html="<svg" in preview._repr_html_(),
            previewed=[[one.condition_id, len(one.close_times)] for one in previewed],
            refused=await refusals(url),
        )
        trigger = await waiting
        say(trigger_id=trigger.trigger_id, bots=[one.bot_id async for one in client.subscriptions()])
    say(loaded=sorted({name.partition(".")[0] for name in sys.modules}))


if __name__ == "__main__":
    sys.path.append(sys.argv[1])
    asyncio.run(main())
