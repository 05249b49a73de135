"""The sizes of the benchmarks: as shown on the page, with fewer rounds, or as small as a test needs."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scale:
    """Sizes of every section."""

    rounds: int = 9
    history_candles: int = 1_000_000
    slow_candles: int = 20_000
    """Candles of one series for libraries that take microseconds per candle."""
    many_series: int = 500
    many_candles: int = 10_000
    instruments: int = 500
    slow_instruments: int = 100
    many_lanes: int = 100_000
    ticks: int = 50
    recomputed_candles: int = 1_000
    conditions: int = 1_000_000
    slots: int = 4_000
    scan_conditions: int = 10_000
    scan_candles: int = 525_600
    backtest_candles: int = 500_000
    backtest_pairs: int = 100
    backtest_slow_pairs: int = 2
    """Pairs of thresholds for a library that takes seconds for each."""
    sweep_series: int = 40
    sweep_traded: int = 10
    sweep_candles: int = 8_760
    sweep_minutes: int = 2_629_440
    noise_seeds: int = 200
    noise_conditions: int = 10_000
    noise_candles: int = 8_760
    users: int = 1_000
    conditions_a_user: int = 5
    unique_conditions: int = 500
    isolated_sample: int = 250
    hub_ticks: int = 12
    first_compile: bool = True
    events: int = 100_000
    """Triggers of one tick."""
    subscribers_an_event: int = 10
    quiet_ticks: int = 500
    idle_s: float = 20.0
    registrations: int = 3_000
    bulk_conditions: int = 20_000
    stored_subscriptions: int = 1_000_000
    stored_triggers: int = 10_000_000
    stored_ticks: int = 1_000_000
    stored_conditions: int = 100_000
    month_ticks: int = 43_200
    month_groups: int = 50
    big_subscriptions: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    """Of one hub each."""
    big_instruments: int = 500
    big_ticks: int = 5
    asked: int = 400
    """Status requests, and as many requests for a listing."""
    minutes: int = 525_600
    """Candles of 1m that are previewed."""
    fair_requests: int = 300
    """Registrations of a user during each attack, and as many status requests."""
    latency_instruments: int = 200
    latency_conditions: int = 10_000
    latency_subscriptions: int = 100_000
    latency_ticks: int = 60
    """Minutes of real time."""
    acting_bots: int = 10_000
    """Bots that one trigger is for."""
    active_bots: int = 1_000
    bot_minutes: int = 60
    viewers: int = 20
    viewed_s: float = 30.0


FULL = Scale()
QUICK = replace(FULL, rounds=3, latency_ticks=3, acting_bots=1_000, active_bots=200, bot_minutes=5, viewed_s=10.0)
TINY = Scale(
    rounds=1,
    history_candles=600,
    slow_candles=100,
    many_series=2,
    many_candles=300,
    instruments=3,
    slow_instruments=1,
    many_lanes=8,
    ticks=2,
    recomputed_candles=200,
    conditions=400,
    slots=60,
    scan_conditions=40,
    scan_candles=900,
    backtest_candles=900,
    backtest_pairs=4,
    backtest_slow_pairs=1,
    sweep_series=2,
    sweep_traded=1,
    sweep_candles=900,
    sweep_minutes=3_000,
    noise_seeds=2,
    noise_conditions=40,
    noise_candles=2_000,
    users=20,
    conditions_a_user=2,
    unique_conditions=12,
    isolated_sample=3,
    hub_ticks=2,
    first_compile=False,
    events=1_500,
    subscribers_an_event=2,
    quiet_ticks=3,
    idle_s=0.2,
    registrations=40,
    bulk_conditions=100,
    stored_subscriptions=400,
    stored_triggers=2_000,
    month_ticks=120,
    month_groups=3,
    stored_ticks=3_000,
    stored_conditions=100,
    big_subscriptions=(400,),
    big_instruments=2,
    big_ticks=1,
    asked=20,
    minutes=1_000,
    fair_requests=6,
    latency_instruments=2,
    latency_conditions=8,
    latency_subscriptions=20,
    latency_ticks=1,
    acting_bots=8,
    active_bots=4,
    bot_minutes=2,
    viewers=2,
    viewed_s=2.0,
)
