"""The operator's dashboard: what sharing saves, and what each condition did.

    data             the only module that opens the store
    charts           ECharts options of the savings page
    readings         candles and indicator values of one condition, laid out in panes
    candle_chart     their ECharts options
    savings_page     the landing page
    conditions_page  the table of conditions
    condition_view   one condition

It is the operator's view: exact subscriber counts, but never a user, a bot or a bot's configuration.
"""
