"""``hub mcp``: the hub for agents."""

from typing import Annotated

from cyclopts import App, Parameter

from common.errors import HubError


def add_to(app: App) -> None:
    """Add the command to the command line."""
    app.command(mcp)


def mcp(
    *,
    write: Annotated[
        bool, Parameter(negative="", help="Let agents register conditions and subscribe your bots, too.")
    ] = False,
) -> None:
    """Serve the hub to an agent over stdin and stdout (MCP), with HUB_API_URL and HUB_API_KEY. Read-only.

    The agent's program starts it: docs/agents.md has its configuration.
    """
    try:
        from hub.agents.server import make_server
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] in ("mcp", "mcp_types"):
            raise HubError("hub mcp needs the package mcp: pip install 'condition-hub[mcp]'") from None
        raise
    from condition_hub.asynchronous import AsyncHubClient

    # A backtest of a long history takes longer than a bot would wait for an answer.
    make_server(AsyncHubClient(timeout_s=120.0, patience_s=180.0), write=write).run("stdio")
