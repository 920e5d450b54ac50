"""The HTTP API as data: one file of routes for each noun."""
