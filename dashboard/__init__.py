"""The operator's dashboard: what sharing saves, and what each condition did.

    data/   the only folder that opens the store
    view    what every page has: its heading, time range, zone, and how often it is drawn
    pages/  savings, the landing page; conditions, the table, and condition, one of them; health; ticks; explore
    charts/ chart options: savings, ticks, and candles with the values that a condition reads

It is the operator's view: it has exact subscriber counts, but never a bot or a bot's configuration.
"""
