"""The client that follows rules and needs no network."""

from .client import OfflineClient

__all__ = ["OfflineClient"]
