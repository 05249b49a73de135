"""What has to change for the hub to be as a file says, in words and as calls. Reads only."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from api.bodies.requests import PolicyBody
from common.errors import DesiredStateError
from condition_hub.blocking import HubClient
from condition_hub.bot_results import HubBot
from condition_hub.results import Checked, HubWebhook, Subscription
from condition_hub.webhook_calls import WebhookRequest
from hub.as_code.desired import DesiredState, DesiredSubscriptions, DesiredWebhook, WantedCondition, secrets_of
from registry.defaults import defaults

Verb = Literal["add", "change", "remove", "refuse"]
Thing = Literal["condition", "subscription", "webhook", "bot"]
_SIGNS: Mapping[Verb, str] = {"add": "+", "change": "~", "remove": "-", "refuse": "!"}


@dataclass(frozen=True)
class PlannedChange:
    """One difference between the file and the hub."""

    verb: Verb
    thing: Thing
    name: str
    """Of the condition, the bot or the webhook."""
    text: str
    """The change in words."""
    call: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What applying it needs; it may have secrets and configurations, and is never shown."""

    @property
    def line(self) -> str:
        """As it is shown."""
        return f"{_SIGNS[self.verb]} {self.text}"


def plan(desired: DesiredState, client: HubClient) -> list[PlannedChange]:
    """The differences, in the order in which they are to be made. Empty if the hub is as the file says.

    Raises :class:`DesiredStateError` if a condition, webhook or bot of the file is not valid: then nothing is planned.
    """
    checked = _checked(desired, client)
    running = [bot for bot in client.bots() if bot.life == "active"]
    run_by_hub = {bot.bot_id for bot in running}
    if taken := sorted(run_by_hub & set(desired.subscriptions)):
        raise DesiredStateError(f"subscriptions.{taken[0]}: the hub runs a bot of that name, and subscribes it itself")
    existing = [one for one in client.subscriptions() if one.bot_id not in run_by_hub]
    webhooks = list(client.webhooks())
    changes = [
        *_conditions(desired, checked),
        *_subscriptions(desired, checked, existing),
        *_bots(desired, client, running),
        *_webhooks(desired, client),
        *_removed_webhooks(desired, webhooks),
        *_unsubscribed(desired, checked, existing, client),
    ]
    return sorted(changes, key=lambda change: change.verb == "remove")


def summary(changes: Iterable[PlannedChange]) -> dict[Verb, int]:
    """How many changes there are of each kind."""
    verbs = [change.verb for change in changes]
    return {verb: verbs.count(verb) for verb in _SIGNS}


def _checked(desired: DesiredState, client: HubClient) -> dict[str, Checked]:
    """Spelling, as JSON -> what the hub makes of it."""
    named = [(f"conditions.{name}", spelling) for name, spelling in desired.conditions.items()]
    wanted = [
        (f"subscriptions.{bot}", desired.spelled(entry))
        for bot, subscriptions in desired.subscriptions.items()
        for entry in subscriptions.conditions
    ]
    # Each once, under the first place that has it.
    spelled = {_key(spelling): (place, spelling) for place, spelling in reversed([*named, *wanted])}
    with defaults(symbol=desired.defaults.symbol, timeframe=desired.defaults.timeframe):
        results = client.check_many(spelling for _, spelling in spelled.values())
    problems = [
        f"{place}: {result.error}"
        for (place, _), result in zip(spelled.values(), results, strict=True)
        if result.error is not None
    ]
    if problems:
        raise DesiredStateError("\n".join(problems[::-1]))
    return dict(zip(spelled, results, strict=True))


def _key(spelling: object) -> str:
    return msgspec.json.encode(spelling).decode()


def _conditions(desired: DesiredState, checked: Mapping[str, Checked]) -> Iterator[PlannedChange]:
    named = {_id(checked[_key(spelling)]): name for name, spelling in reversed(desired.conditions.items())}
    fresh = {_id(one): one for one in checked.values() if not one.known}
    for condition_id, one in fresh.items():
        name = named.get(condition_id, "")
        label = f"{name}: " if name else ""
        yield PlannedChange(
            "add", "condition", name or condition_id, f"register {label}{one.condition}", {"condition": one.condition}
        )


def _subscriptions(
    desired: DesiredState, checked: Mapping[str, Checked], existing: Iterable[Subscription]
) -> Iterator[PlannedChange]:
    there = {(one.bot_id, one.condition_id): one for one in existing}
    wanted: set[tuple[str, str]] = set()
    for bot_id, subscriptions in desired.subscriptions.items():
        for entry in subscriptions.conditions:
            one = checked[_key(desired.spelled(entry))]
            if (bot_id, _id(one)) in wanted:
                raise DesiredStateError(f"subscriptions.{bot_id}: {one.condition} is there twice")
            wanted.add((bot_id, _id(one)))
            change = _subscription(bot_id, subscriptions, entry, one, there.get((bot_id, _id(one))))
            if change is not None:
                yield change


def _unsubscribed(
    desired: DesiredState, checked: Mapping[str, Checked], existing: Iterable[Subscription], client: HubClient
) -> Iterator[PlannedChange]:
    wanted = {
        (bot_id, _id(checked[_key(desired.spelled(entry))]))
        for bot_id, subscriptions in desired.subscriptions.items()
        for entry in subscriptions.conditions
    }
    texts = {_id(one): one.condition for one in checked.values()}
    for one in existing:
        call = {"bot_id": one.bot_id, "condition_id": one.condition_id}
        if tuple(call.values()) in wanted or not _is_owned(one.bot_id, desired.subscriptions, desired.owns):
            continue
        if one.condition_id not in texts:
            texts[one.condition_id] = client.status(one.condition_id).condition
        text = f"unsubscribe {one.bot_id} from {texts[one.condition_id]}"
        yield PlannedChange("remove", "subscription", one.bot_id, text, call)


def _subscription(
    bot_id: str,
    subscriptions: DesiredSubscriptions,
    entry: str | WantedCondition,
    condition: Checked,
    there: Subscription | None,
) -> PlannedChange | None:
    own = entry if isinstance(entry, WantedCondition) else None
    policy = subscriptions.policy if own is None or own.policy is None else own.policy
    paused = own is not None and own.paused
    call = {
        "bot_id": bot_id,
        "condition_id": _id(condition),
        "bot_type": subscriptions.type,
        "policy": policy.model_dump(),
        "paused": paused,
    }
    if there is None:
        differing = _policy_words(PolicyBody(), policy) + (["paused"] if paused else [])
        how = f" ({', '.join(differing)})" if differing else ""
        return PlannedChange("add", "subscription", bot_id, f"subscribe {bot_id} to {condition.condition}{how}", call)
    words = _policy_words(PolicyBody.model_validate(msgspec.to_builtins(there.policy)), policy)
    if there.bot_type != subscriptions.type:
        words.append(f"type {there.bot_type} -> {subscriptions.type}")
    if (there.state == "paused") != paused:
        words.append("active -> paused" if paused else "paused -> active")
    if not words:
        return None
    return PlannedChange(
        "change", "subscription", bot_id, f"change {bot_id}, {condition.condition}: {', '.join(words)}", call
    )


def _policy_words(before: PolicyBody, after: PolicyBody) -> list[str]:
    """What differs between two policies. Where the file says no expiry, that of the hub stays."""
    pairs = [(name, getattr(before, name), getattr(after, name)) for name in PolicyBody.model_fields]
    return [
        f"{name} {_word(old)} -> {_word(new)}"
        for name, old, new in pairs
        if old != new and not (name == "expires_at" and new is None)
    ]


def _word(value: object) -> str:
    return "none" if value is None else str(value).lower()


def _webhooks(desired: DesiredState, client: HubClient) -> Iterator[PlannedChange]:
    for name, webhook in desired.webhooks.items():
        request = _request(name, webhook)
        shown = client.preview_webhook(request)
        call = {"request": request}
        what = webhook.preset or shown.url
        if shown.webhook_id is None:
            yield PlannedChange("add", "webhook", name, f"create webhook {name}: {what}", call)
        elif shown.changes:
            yield PlannedChange("change", "webhook", name, f"change webhook {name}: {', '.join(shown.changes)}", call)


def _request(name: str, webhook: DesiredWebhook) -> WebhookRequest:
    return WebhookRequest(
        url=webhook.url,
        bot_id=webhook.bot,
        name=name,
        preset=webhook.preset,
        options={option: str(value) for option, value in webhook.options.items()},
        secrets=secrets_of(webhook, name),
        headers=webhook.headers,
        body=webhook.body,
    )


def _removed_webhooks(desired: DesiredState, existing: Iterable[HubWebhook]) -> Iterator[PlannedChange]:
    for one in existing:
        if one.name is not None and one.name not in desired.webhooks and _is_owned(one.name, {}, desired.owns):
            yield PlannedChange(
                "remove", "webhook", one.name, f"delete webhook {one.name}", {"webhook_id": one.webhook_id}
            )


def _bots(desired: DesiredState, client: HubClient, running: Iterable[HubBot]) -> Iterator[PlannedChange]:
    for name, bot in desired.bots.items():
        shown = client.preview_bot(bot.config, bot_id=name, bot_type=bot.type)
        call = {"bot_config": bot.config, "bot_id": name, "bot_type": bot.type}
        if shown.would == "create":
            where = ", ".join(shown.instruments)
            text = f"create bot {name}: {shown.bot_type} on {shown.account}, {where}"
            yield PlannedChange("add", "bot", name, text, call)
        elif shown.would == "refuse":
            text = f"bot {name} runs with another configuration; stop it first (hub bots stop {name}), or rename it"
            yield PlannedChange("refuse", "bot", name, text)
    for one in running:
        if one.bot_id not in desired.bots and _is_owned(one.bot_id, {}, desired.owns):
            yield PlannedChange("remove", "bot", one.bot_id, f"stop bot {one.bot_id}", {"bot_id": one.bot_id})


def _is_owned(name: str, in_file: Iterable[str], patterns: Iterable[str]) -> bool:
    return name in set(in_file) or any(fnmatchcase(name, pattern) for pattern in patterns)


def _id(checked: Checked) -> str:
    assert checked.condition_id is not None
    return checked.condition_id
