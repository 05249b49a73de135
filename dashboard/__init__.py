"""The operator's dashboard: what sharing saves, and what each condition did.

    data    the only module that opens the store
    pages/  savings, the landing page; conditions, the table; condition, one of them
    charts/ chart options: savings, and candles with the values that a condition reads

It is the operator's view: it has exact subscriber counts, but never a user, a bot or a bot's configuration.
"""
