"""The MCP server: its tools, and how they answer. Needs the extra ``mcp``."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, ParamSpec

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from common.errors import ApiRefused, HubError, KeyRefused, LimitReached, NotFound
from condition_hub.asynchronous import AsyncHubClient
from hub.agents.reading import ReadingTools
from hub.agents.writing import WritingTools

_READ = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITE = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

_INSTRUCTIONS = (
    "Condition Hub judges trading conditions on every closed candle. A condition is a text such as"
    " 'BTCUSDT 1h: rsi(14) crosses_below 30' or 'ETHUSDT 15m: all(ema(12) crosses_above ema(26), close > sma(200)@4h)'."
    " Begin with list_indicators and list_instruments; parse_condition says whether a text is right,"
    " preview_condition when it would have fired, backtest_condition what trading it would have given."
)
_READ_ONLY = " This server is read-only: somebody has to start it with `hub mcp --write` to register or subscribe."

ToolArguments = ParamSpec("ToolArguments")
Tool = Callable[ToolArguments, Awaitable[dict[str, Any]]]


def make_server(client: AsyncHubClient, *, write: bool) -> MCPServer[None]:
    """A server whose tools use a client, and so its key and its limits; without ``write`` none of them changes
    anything."""

    @asynccontextmanager
    async def closing(_: MCPServer[None]) -> AsyncIterator[None]:
        async with client:
            yield None

    server: MCPServer[None] = MCPServer(
        "condition-hub",
        instructions=_INSTRUCTIONS + ("" if write else _READ_ONLY),
        lifespan=closing,
        log_level="WARNING",
    )
    reading = ReadingTools(client)
    for tool in reading.tools:
        server.add_tool(_explained(tool), annotations=_READ)
    if write:
        for tool in WritingTools(client).tools:
            server.add_tool(_explained(tool), annotations=_WRITE)
    return server


def _explained(tool: "Tool[ToolArguments]") -> "Tool[ToolArguments]":
    """The tool, with errors that say what to do next."""

    @wraps(tool)
    async def run(*args: ToolArguments.args, **kwargs: ToolArguments.kwargs) -> dict[str, Any]:
        try:
            return await tool(*args, **kwargs)
        except HubError as error:
            raise ToolError(f"{error}{_advice(error)}") from None

    return run


def _advice(error: HubError) -> str:
    """What an agent can do about an error, beyond what its message says."""
    if isinstance(error, NotFound):
        return (
            ". parse_condition gives a condition's id and says whether it is registered; preview_condition and"
            " backtest_condition need no registration; my_subscriptions lists your bots"
        )
    if isinstance(error, LimitReached):
        return ". Wait as long as it says, or ask for less at once"
    if isinstance(error, KeyRefused):
        return ". HUB_API_KEY of the server has to be a user's valid key"
    if isinstance(error, ApiRefused) and error.field is not None and "condition" in error.field:
        return ". list_indicators and list_instruments say what there is; try the text with parse_condition"
    return ""
