"""Tickets: each works once, and not for long."""

from __future__ import annotations

import time

import trio
from trio.testing import MockClock

from trio_agent_rt.realtime import Principal, Tickets

ANN = Principal("ann", expires_at=2e9)
BOB = Principal("bob")


async def test_a_ticket_stands_for_its_principal_once() -> None:
    tickets = Tickets()
    anns, bobs = tickets.issue(ANN), tickets.issue(BOB)
    assert tickets.redeem(bobs) == BOB
    assert tickets.redeem(anns) is ANN
    assert tickets.redeem(anns) is None
    assert tickets.redeem("") is None
    assert tickets.redeem("made up") is None


async def test_a_ticket_cannot_be_guessed_and_fits_into_a_url() -> None:
    tickets = Tickets()
    issued = [tickets.issue(ANN) for _ in range(1000)]
    assert len(set(issued)) == 1000
    for ticket in issued:
        # 192 bits.
        assert len(ticket) == 32
        assert ticket.replace("-", "").replace("_", "").isalnum()


async def test_a_ticket_is_good_for_its_lifetime_and_no_longer(autojump_clock: MockClock) -> None:
    tickets = Tickets(lifetime=30)
    first, second = tickets.issue(ANN), tickets.issue(ANN)
    await trio.sleep(29.9)
    assert tickets.redeem(first) == ANN
    await trio.sleep(0.1)
    assert tickets.redeem(second) is None


async def test_the_default_lifetime_is_half_a_minute() -> None:
    assert Tickets().lifetime == 30


async def test_a_ticket_is_worth_nothing_when_its_principal_has_expired() -> None:
    tickets = Tickets()
    assert tickets.redeem(tickets.issue(Principal("ann", expires_at=time.time() - 1))) is None


async def test_what_is_never_used_is_not_kept(autojump_clock: MockClock) -> None:
    tickets = Tickets(lifetime=30)
    for _ in range(100):
        tickets.issue(ANN)
    await trio.sleep(15)
    kept = tickets.issue(BOB)
    await trio.sleep(15)
    tickets.issue(BOB)
    assert repr(tickets) == "<Tickets waiting=2>"
    assert tickets.redeem(kept) == BOB


async def test_beyond_the_most_the_oldest_is_void() -> None:
    tickets = Tickets(max_outstanding=2)
    issued = [tickets.issue(ANN) for _ in range(3)]
    assert [tickets.redeem(each) for each in issued] == [None, ANN, ANN]


async def test_no_ticket_shows_in_a_repr() -> None:
    tickets = Tickets()
    assert tickets.issue(ANN) not in repr(tickets)


async def test_nobody_voids_the_tickets_of_others_by_asking_for_many() -> None:
    tickets = Tickets(max_outstanding=5, max_of_one=3)
    anns = [tickets.issue(ANN) for _ in range(2)]
    bobs = [tickets.issue(BOB) for _ in range(20)]
    assert [tickets.redeem(each) for each in anns] == [ANN, ANN]
    assert [each for each in bobs if tickets.redeem(each)] == bobs[-3:]
