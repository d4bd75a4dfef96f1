"""The wiring: constructor calls that build the house from its settings."""
