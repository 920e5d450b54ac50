"""The only HTTP client: of the engine's own API, and for files from elsewhere."""

from origo.client.api import Client, connect, key
from origo.client.fetching import download

__all__ = ["Client", "connect", "download", "key"]
