"""`BearerTokens`: a list of tokens as an `authenticate` hook."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping

import trio

from ..errors import ConnectionRejected
from ..realtime import Principal
from .request import TOKEN_SYNTAX, Request

__all__ = ["BearerTokens"]

# A token must not be guessed with a probability above 2^-128 (RFC 6749, 10.10), and each
# of its characters (RFC 6750, 2.1) is one of 68.
_MIN_LENGTH = 22

_REALM = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")


class BearerTokens:
    """An `authenticate` hook that knows its peers by their tokens.

    `authenticate=BearerTokens({token: "ann"})`. Which tokens there are cannot be learnt
    from how long an answer takes, and the tokens themselves are not kept.

    Args:
        tokens: for each token the id of its principal, or the `Principal`.
        realm: what is protected, in the words of `WWW-Authenticate`.

    Raises:
        ValueError: when there is no token, or one cannot be sent or is too short to be
            safe; `secrets.token_urlsafe()` makes good ones.
    """

    def __init__(
        self, tokens: Mapping[str, str | Principal], *, realm: str = "trio_agent_rt"
    ) -> None:
        if not _REALM.fullmatch(realm):
            raise ValueError("realm must be ASCII text without quotes and backslashes")
        self._challenge = f'Bearer realm="{realm}"'
        # What is left of a token cannot be used elsewhere, whoever sees it.
        self._key = secrets.token_bytes(32)
        self._principals: dict[bytes, Principal] = {}
        for number, (token, known_as) in enumerate(tokens.items(), 1):
            principal = _principal(known_as)
            _check(token, f"token {number}, of {principal.id!r}")
            digest = self._digest(token)
            if digest in self._principals:
                raise ValueError(f"token {number}, of {principal.id!r}, is there twice")
            self._principals[digest] = principal
        if not self._principals:
            raise ValueError("tokens is empty: nobody could come in")

    def __repr__(self) -> str:
        return f"<BearerTokens: {len(self._principals)}>"

    async def __call__(self, request: Request) -> Principal:
        """Whose token it is.

        Raises:
            ConnectionRejected: (401) when there is none, or it is nobody's.
        """
        await trio.lowlevel.checkpoint()
        token = request.bearer_token
        if token is None:
            raise ConnectionRejected(
                401, "A bearer token is needed.", {"WWW-Authenticate": self._challenge}
            )
        given = self._digest(token)
        found: Principal | None = None
        for digest, principal in self._principals.items():
            if hmac.compare_digest(digest, given):
                found = principal
        if found is None:
            challenge = f'{self._challenge}, error="invalid_token"'
            raise ConnectionRejected(
                401, "This token is not valid.", {"WWW-Authenticate": challenge}
            )
        return found

    def _digest(self, token: str) -> bytes:
        return hmac.digest(self._key, token.encode(), hashlib.sha256)


def _principal(known_as: object) -> Principal:
    if isinstance(known_as, Principal):
        return known_as
    if isinstance(known_as, str):
        return Principal(known_as)
    raise TypeError(f"a token stands for an id or a Principal, not {type(known_as).__name__}")


def _check(token: object, which: str) -> None:
    """Complain about a token, without showing it."""
    if not isinstance(token, str):
        raise TypeError(f"{which}: a token is text, not {type(token).__name__}")
    advice = "; secrets.token_urlsafe() makes good ones"
    if len(token) < _MIN_LENGTH:
        raise ValueError(
            f"{which}, has {len(token)} characters, too few to be safe: at least {_MIN_LENGTH} "
            f"are needed{advice}"
        )
    if not TOKEN_SYNTAX.fullmatch(token):
        raise ValueError(
            f"{which}, cannot be sent: a token is ASCII letters, digits and -._~+/, and may "
            f"end with ={advice}"
        )
