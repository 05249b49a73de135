"""Parameters that several routes have."""

from typing import Annotated

from fastapi import Path, Query

ConditionPath = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{32}$",
        description="What registering the condition answered",
        examples=["8c1fbf1a3f4a7b0d5e2c9a6b7d8e9f00"],
    ),
]
WebhookPath = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="What creating the webhook answered")]
BotQuery = Annotated[
    str | None, Query(pattern="^[!-~]([ -~]{0,126}[!-~])?$", description="Of one of the caller's bots only")
]
ConditionQuery = Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="Of this condition only")]
Limit = Annotated[int, Query(ge=1, le=500, description="Items of a page")]
Cursor = Annotated[str | None, Query(pattern="^([0-9a-f]{2}){1,400}$", description="next_cursor of the page before")]
SeqCursor = Annotated[str | None, Query(pattern="^[0-9]{1,18}$", description="next_cursor of the page before")]
AllTriggers = Annotated[bool, Query(alias="all", description="All triggers of the hub; for operators")]
