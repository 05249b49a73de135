"""The public HTTP API. All times in bodies are milliseconds since the epoch, UTC; errors are RFC 9457 problems.

    POST /conditions/register            a condition in any spelling -> ConditionAnswer; 201 new, 200 known
    POST /conditions/register/bulk       BulkBody -> BulkAnswer: one result for each, in order
    POST /conditions/check               BulkBody -> ConditionChecks: what they mean; registers nothing
    POST /conditions/subscribe           SubscribeBody -> SubscribedAnswer; 201 new, 200 known
    POST /conditions/subscribe/bulk      SubscribeBulkBody -> SubscribedBulkAnswer, all or none
    POST /conditions/unsubscribe         BotCondition -> SubscriptionAnswer, ended
    POST /conditions/pause, …/resume     BotCondition -> SubscriptionAnswer
    POST /conditions/rearm               BotCondition -> SubscribedAnswer
    POST /conditions/preview             PreviewBody -> Preview
    POST /conditions/preview/bulk        BulkPreviewBody -> BulkPreview: every trigger, in pages
    GET  /conditions/user/subscriptions  ?bot_id ?condition_id ?limit ?cursor -> SubscriptionPage
    GET  /conditions/{id}/status         StatusAnswer
    GET  /conditions/{id}/explain        ?at -> Explanation
    GET  /conditions/{id}/triggers       ?limit ?cursor -> TriggerPage, newest first
    GET  /triggers                       ?after_seq ?bot_id ?limit -> TriggersAfter, oldest first
    GET  /events                         ?bot_id ?after_seq, header Last-Event-ID -> server-sent events
    GET  /indicators, /instruments       IndicatorsAnswer, InstrumentPage
    GET  /health/live, /health/ready     LiveAnswer, ReadyAnswer; 503 when not ready; no key needed
    GET  /metrics                        Prometheus text; operators only

Every other route needs ``Authorization: Bearer hub_<id>_<secret>``; the user is the owner of the key. What belongs to
somebody else answers 404, as if it did not exist.
"""
