"""A list of tokens as an `authenticate` hook."""

from __future__ import annotations

import hmac
import secrets
from typing import Any

import pytest

from trio_agent_rt.errors import ConnectionRejected
from trio_agent_rt.realtime import Principal
from trio_agent_rt.transports import BearerTokens, Headers, Request

ANN, BOB, EVE = (secrets.token_urlsafe() for _ in range(3))
TEMPORARY = Principal("bob", expires_at=2e9)


def asked(*authorization: str) -> Request:
    return Request(path="/", headers=Headers(("Authorization", each) for each in authorization))


async def refused(tokens: BearerTokens, request: Request) -> ConnectionRejected:
    with pytest.raises(ConnectionRejected) as caught:
        await tokens(request)
    return caught.value


async def test_a_token_stands_for_its_principal() -> None:
    tokens = BearerTokens({ANN: "ann", BOB: TEMPORARY})
    assert await tokens(asked(f"Bearer {ANN}")) == Principal("ann")
    assert await tokens(asked(f"bearer {BOB}")) is TEMPORARY
    proposed = Request(path="/", subprotocols=("trio-agent-rt", f"bearer.{BOB}"))
    assert await tokens(proposed) is TEMPORARY


@pytest.mark.parametrize(
    ("authorization", "error"),
    [
        ([], ""),
        (["Basic YTpi"], ""),
        (["Bearer"], ""),
        (["Bearer \xe9\xe9"], ""),
        ([f"Bearer {ANN}", f"Bearer {ANN}"], ""),
        ([f"Bearer {EVE}"], ', error="invalid_token"'),
        ([f"Bearer {ANN}="], ', error="invalid_token"'),
        ([f"Bearer {ANN[:-1]}"], ', error="invalid_token"'),
        ([f"Bearer {ANN.swapcase()}"], ', error="invalid_token"'),
    ],
)
async def test_without_a_known_token_there_is_a_challenge(
    authorization: list[str], error: str
) -> None:
    wrong = await refused(BearerTokens({ANN: "ann"}, realm="the lab"), asked(*authorization))
    assert wrong.status == 401
    assert wrong.headers == {"WWW-Authenticate": f'Bearer realm="the lab"{error}'}
    for token in (ANN, EVE):
        assert token not in f"{wrong!r} {wrong} {wrong.message} {wrong.headers}"


async def test_every_known_token_is_compared_whichever_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[bytes] = []

    def counting(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return compare(one, other)

    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", counting)
    tokens = BearerTokens({ANN: "ann", BOB: "bob", secrets.token_hex(): "carl"})
    for given in (ANN, BOB):
        compared.clear()
        await tokens(asked(f"Bearer {given}"))
        assert len(compared) == 3
    compared.clear()
    await refused(tokens, asked(f"Bearer {EVE}"))
    assert len(compared) == 3
    # What is compared has the same length whatever the tokens are.
    assert len({len(each) for each in compared}) == 1


def test_nothing_of_a_token_is_kept_or_shown() -> None:
    tokens = BearerTokens({ANN: "ann", BOB: TEMPORARY})
    assert repr(tokens) == "<BearerTokens: 2>"
    for token in (ANN, BOB):
        assert token not in repr(vars(tokens))
        assert token.encode() not in repr(vars(tokens)).encode()


class _Twice(dict[Any, Any]):
    """A mapping that has the same token for two."""

    def items(self) -> Any:
        return [(ANN, "ann"), (BOB, "bob"), (ANN, "eve")]


@pytest.mark.parametrize(
    ("tokens", "error", "why"),
    [
        ({}, ValueError, "nobody could come in"),
        ({"": "ann"}, ValueError, "token 1, of 'ann', has 0 characters.*token_urlsafe"),
        ({ANN: "ann", "hush-hush": "bob"}, ValueError, "token 2, of 'bob', has 9 characters"),
        ({"hush" * 5 + "!": "ann"}, ValueError, "too few"),
        ({"hush" * 5 + "hü": "ann"}, ValueError, "cannot be sent.*token_urlsafe"),
        ({"hush hush hush hush hush": "ann"}, ValueError, "cannot be sent"),
        ({"=" * 40 + "hush": "ann"}, ValueError, "cannot be sent"),
        ({"hush\n" * 9: "ann"}, ValueError, "cannot be sent"),
        (_Twice(), ValueError, "token 3, of 'eve', is there twice"),
        ({ANN: ""}, ValueError, "needs an id"),
        ({b"hush": "ann"}, TypeError, "a token is text, not bytes"),
        ({ANN: None}, TypeError, "an id or a Principal, not NoneType"),
    ],
)
def test_what_cannot_be_right_is_refused_at_once_and_not_shown(
    tokens: Any, error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why) as caught:
        BearerTokens(tokens)
    assert "hush" not in str(caught.value)
    assert ANN not in str(caught.value)


@pytest.mark.parametrize("realm", ['"', "\\", "ü", "a\r\nb"])
def test_a_realm_that_cannot_be_sent_is_refused(realm: str) -> None:
    with pytest.raises(ValueError, match="realm"):
        BearerTokens({ANN: "ann"}, realm=realm)
