"""Where bots' orders go: :mod:`bots.brokers.protocol` says what a broker is, :mod:`bots.brokers.paper` is one."""
