"""Parameters that several routes share."""

from typing import Annotated

from fastapi import Path, Query

from api.bodies.patterns import BOT_ID, BOT_NAME, CURSOR, ID, SEQ

ConditionPath = Annotated[
    str,
    Path(
        pattern=ID,
        description="The condition_id that registering the condition returned",
        examples=["8c1fbf1a3f4a7b0d5e2c9a6b7d8e9f00"],
    ),
]
WebhookPath = Annotated[str, Path(pattern=ID, description="The webhook_id that creating the webhook returned")]
BotPath = Annotated[str, Path(pattern=BOT_NAME, description="The bot's name", examples=["dca_bot_123"])]
BotQuery = Annotated[str | None, Query(pattern=BOT_ID, description="Only of this one of the caller's bots")]
OfCondition = Annotated[str | None, Query(pattern=ID, description="Only of this condition")]
Limit = Annotated[int, Query(ge=1, le=500, description="The most items on a page")]
Cursor = Annotated[str | None, Query(pattern=CURSOR, description="next_cursor of the previous page")]
SeqCursor = Annotated[str | None, Query(pattern=SEQ, description="next_cursor of the previous page")]
AllTriggers = Annotated[bool, Query(alias="all", description="All triggers of the hub; for operators only")]
