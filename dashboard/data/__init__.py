"""What the pages show, read from the store: the only folder that opens it, read-only and for one query at a time.

    reading      opening the store, and what replaces a page if that cannot be done
    overview     the figures of the page Savings
    conditions   the table of conditions, and one of them with its candles and truths
    ticks        the history of ticks
    hub          what the hub is doing
    exploring    where a condition that somebody writes would have fired
    own_bots     a user's bots and what they did

Queries go through the owner of the store if ``HUB_STORE_URL`` names one; otherwise they read the files, as long as
nobody owns them. Answers are cached for a few seconds and shared by all viewers, so that fifty browsers cost as much as
one. Each query takes the store's URL, which makes it part of the cache's key.
"""
