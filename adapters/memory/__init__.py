"""The ports with nothing behind them, composed of the engine's rules: the reference."""
