"""From a request to a bot: what it costs and may cost, its conditions, and the bot itself."""

import re
from typing import Literal

from api.bodies.bot_answers import BotPreviewAnswer
from api.bodies.patterns import BOT_NAME, IN_WORDS
from api.bodies.requests import BotBody
from api.http.problem_details import ProblemItem
from api.http.problems import ProblemError, invalid_condition
from api.http.rates import cost_of_refusal, cost_of_unfolding
from api.http.routing import HubRequest
from bots.definition import PAPER, DefinedBot, define_bot
from common.errors import BotConfigError, BotExists, ConditionError, HubError, InstrumentError
from registry.directory import Directory
from registry.naming import reading
from registry.store.parts.bots import ConditionUse, NewBot, StoredBot
from registry.subscriptions import DeliveryPolicy, config_text


async def create(body: BotBody, request: HubRequest) -> tuple[StoredBot, bool]:
    """The bot that a body asks for, and whether it is new; raises a problem if it cannot be made."""
    service, caller = request.service, request.caller
    bot_id, defined = await _read(body, request)
    conditions = list({condition.id: condition for condition, _ in defined.conditions}.values())
    await request.take_more(len(conditions) + sum(cost_of_unfolding(condition.canonical) for condition in conditions))
    try:
        if conditions:
            await service.in_store(service.register_now, [(condition, caller.user_id) for condition in conditions])
        return await service.in_store(
            service.store.bots.create,
            _new_bot(body, caller.user_id, bot_id, defined),
            _policy(body),
            active_from_ms=service.clock.now_ms(),
            grace_ms=service.settings.grace_ms,
            quota=service.quotas.bots,
        )
    except BotExists as error:
        raise ProblemError(409, "bot-exists", str(error)) from None
    except (InstrumentError, ConditionError) as error:
        raise _refused(error) from None


async def preview(body: BotBody, request: HubRequest) -> BotPreviewAnswer:
    """What :func:`create` would do; raises a problem if a bot like this cannot be made."""
    bot_id, defined = await _read(body, request)
    known = request.service.store.bots.bot(request.caller.user_id, bot_id)
    would: Literal["create", "nothing", "refuse"] = "create"
    if known is not None and known.life == "active":
        asked = (defined.definition.kind, config_text(body.bot_config))
        would = "nothing" if asked == (known.kind, config_text(known.bot_config)) else "refuse"
    return BotPreviewAnswer(
        bot_id=bot_id,
        bot_type=defined.definition.kind,
        account=defined.definition.account,
        instruments=list(map(str, defined.instruments)),
        conditions=list(dict.fromkeys(str(condition) for condition, _ in defined.conditions)),
        would=would,
    )


async def _read(body: BotBody, request: HubRequest) -> tuple[str, DefinedBot]:
    """A bot's name, and what its configuration says."""
    service = request.service
    directory = service.store.candles.directory()
    try:
        bot_id = _bot_id(body)
        defined = await request.apart(_defined, body, directory, service.settings.default_exchange)
        _check_account(request, defined)
        for instrument in defined.instruments:
            service.check_known(instrument, directory)
    except HubError as error:
        await request.charge(cost_of_refusal(len(await request.body())))
        raise _refused(error) from None
    return bot_id, defined


def _bot_id(body: BotBody) -> str:
    said = body.bot_id if body.bot_id is not None else body.bot_config.get("bot_id")
    if not isinstance(said, str):
        raise BotConfigError("bot_id is missing: how the bot is called, beside bot_config or in it")
    if not re.fullmatch(BOT_NAME, said):
        raise BotConfigError(f"bot_id {said[:40]!a} cannot be used; write {IN_WORDS[BOT_NAME]}")
    return said


def _defined(body: BotBody, directory: Directory, default_exchange: str) -> DefinedBot:
    with reading(directory):
        defined = define_bot(body.bot_config, body.bot_type, default_exchange=default_exchange)
    listings = {one.instrument: one for one in directory.listings}
    for instrument in defined.instruments:
        # What a market does not take is refused now, and not when the bot is run.
        defined.definition.check(defined.definition.market(listings.get(instrument)))
    return defined


def _check_account(request: HubRequest, defined: DefinedBot) -> None:
    """Who has no account of that name does not learn whether somebody else has."""
    name = defined.definition.account
    account = request.service.settings.exchange_accounts.get(name)
    if name != PAPER and (account is None or account.user != request.caller.user_id):
        raise BotConfigError(
            f"you have no account {name!r}; leave account out to trade on paper, or ask an operator for one"
            " (HUB_EXCHANGE_ACCOUNTS)"
        )


def _new_bot(body: BotBody, user_id: str, bot_id: str, defined: DefinedBot) -> NewBot:
    return NewBot(
        user_id=user_id,
        bot_id=bot_id,
        kind=defined.definition.kind,
        account=defined.definition.account,
        instruments=tuple(map(str, defined.instruments)),
        conditions=tuple(ConditionUse(str(where), condition.id, role) for where, condition, role in defined.roles()),
        bot_config=body.bot_config,
    )


def _policy(body: BotBody) -> DeliveryPolicy:
    fields = body.policy.model_dump()
    return DeliveryPolicy(expires_ms=fields.pop("expires_at"), **fields)


def _refused(error: HubError) -> ProblemError:
    if isinstance(error, ConditionError | InstrumentError):
        return invalid_condition(error, "/bot_config")
    return ProblemError(422, "invalid-bot", str(error), errors=[ProblemItem(pointer="/bot_config", detail=str(error))])
