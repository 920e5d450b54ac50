"""Drivers made here: one folder each, with its manifest `plugin.toml`."""
