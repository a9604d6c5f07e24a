"""The suites that ship, as TOML."""
