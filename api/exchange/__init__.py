"""The hub as an exchange to read candles from: a face that speaks Binance's public dialect, and takes no orders."""
