"""The only HTTP client: of the engine's own API, for files from elsewhere, and to see whether a page answers."""

from origo.client.api import Client, connect, key
from origo.client.asking import shown_certificate, status
from origo.client.fetching import download

__all__ = ["Client", "connect", "download", "key", "shown_certificate", "status"]
