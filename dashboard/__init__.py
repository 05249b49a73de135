"""The dashboard: what sharing saves, what each condition did, and what a user's bots did.

    data/   the only folder that opens the store
    view    what every page has: its heading, time range, zone, and how often it is drawn
    viewer  who looks: whoever works on this machine, or the owner of a key
    pages/  savings, the landing page; conditions and condition, the table and one of them; health; ticks; explore;
            my_bots
    charts/ chart options: savings, ticks, and candles with the values that a condition reads

It is the operator's view: it has exact subscriber counts, but never a bot's configuration. Only a user's own key shows
bots.
"""
