"""Who may connect is told by JSON Web Tokens, checked with PyJWT (pip install pyjwt).

    python examples/jwt_auth.py

It serves on a free port and connects to itself: with a good token, with several bad ones,
and with one that expires while its task runs. Only `authenticate` is what you need.

With an identity provider `KEY` is its public key and `ALGORITHMS` is `["RS256"]` or
`["ES256"]`. Never take the algorithm from the token: whoever made it wrote that too. If
the keys have to be fetched (`jwt.PyJWKClient`), fetch them in a thread:
`await trio.to_thread.run_sync(keys.get_signing_key_from_jwt, token)`.
"""

from __future__ import annotations

import functools
import secrets
import time

import jwt
import trio

from trio_agent_rt import (
    ConnectionRejected,
    Principal,
    RealtimeAgent,
    Request,
    TaskRun,
    open_websocket_client,
    serve_websocket,
)
from trio_agent_rt.errors import ConnectionLost

KEY = secrets.token_bytes(32)
ALGORITHMS = ["HS256"]
AUDIENCE = "https://agent.example.com"


async def authenticate(request: Request) -> Principal:
    """Whoever the token was made for, until it expires."""
    await trio.lowlevel.checkpoint()
    token = request.bearer_token
    if token is None:
        raise ConnectionRejected(401, "a token is needed", {"WWW-Authenticate": "Bearer"})
    try:
        claims = jwt.decode(
            token,
            KEY,
            algorithms=ALGORITHMS,
            audience=AUDIENCE,
            options={"require": ["sub", "exp", "aud"]},
        )
    except jwt.ExpiredSignatureError:
        raise refusal("the token has expired") from None
    except jwt.InvalidAudienceError:
        raise refusal("the token is for another service") from None
    except jwt.InvalidTokenError:
        raise refusal("the token is not valid") from None
    return Principal(claims["sub"], expires_at=float(claims["exp"]))


def refusal(why: str) -> ConnectionRejected:
    return ConnectionRejected(401, why, {"WWW-Authenticate": 'Bearer error="invalid_token"'})


async def agent(task: str, run: TaskRun) -> str:
    """Waits for ever if it is told to."""
    async with run.step("Think"):
        if task == "wait":
            await trio.sleep_forever()
    return f"{task}: done"


def make_token(key: bytes | str = KEY, algorithm: str = "HS256", **changed: object) -> str:
    """What an identity provider would do."""
    claims = {"sub": "ann", "aud": AUDIENCE, "exp": int(time.time()) + 3600, **changed}
    return jwt.encode(claims, key, algorithm)


async def try_out(url: str) -> None:
    async with open_websocket_client(url, token=make_token()) as client:
        print(await (await client.submit("a question")).result())

    for token in (
        make_token(exp=int(time.time()) - 1),
        make_token(aud="https://other.example.com"),
        make_token(secrets.token_bytes(32)),
        make_token("", "none"),
        "no.token.at.all",
        None,
    ):
        try:
            async with open_websocket_client(url, token=token):
                print("let in, which is wrong")
        except ConnectionRejected as rejected:
            print(rejected)

    async with open_websocket_client(url, token=make_token(exp=int(time.time()) + 3)) as client:
        task = await client.submit("wait")
        try:
            await task.wait()
        except ConnectionLost as lost:
            print(f"closed with {lost.code}: {lost}")


async def main() -> None:
    async with RealtimeAgent(agent) as realtime, trio.open_nursery() as nursery:
        serve = functools.partial(serve_websocket, realtime, port=0, authenticate=authenticate)
        address = await nursery.start(serve)
        await try_out(address.url)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
