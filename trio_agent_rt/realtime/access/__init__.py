"""On whose behalf a peer speaks, and what it may do with a session."""

from .authorize import Action, Authorize, SessionInfo
from .principal import ANONYMOUS, Principal
from .tickets import Tickets

__all__ = ["ANONYMOUS", "Action", "Authorize", "Principal", "SessionInfo", "Tickets"]
