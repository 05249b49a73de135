"""The hub for agents: an MCP server, which is a client of the HTTP API with the user's key."""
