"""Who may attach to which session, and do what in it; and for how long."""

from __future__ import annotations

import time

import pytest
import trio
import trio.testing

from trio_agent_rt.errors import SessionEnded, TooManyConnections, UnknownSession
from trio_agent_rt.protocol import (
    Acknowledged,
    CancelTask,
    CloseCode,
    CommandFailed,
    Connected,
    GapOccurred,
    GetState,
    Position,
    StatusChanged,
    SubmitTask,
    new_epoch,
)
from trio_agent_rt.realtime import Action, Limits, Principal, RealtimeAgent, SessionInfo
from trio_agent_rt.realtime.registry import REMEMBERED_ENDS

from .viewing import TaskCompleted, Viewer, quick, stepping, viewer

ANN = Principal("ann")
BOB = Principal("bob")


async def last_position(me: Viewer) -> str:
    status = await me.until(StatusChanged)
    assert status.position is not None
    return str(status.position)


async def test_a_position_alone_finds_its_session() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime, principal=ANN) as me:
        seen = await last_position(me)
        me.send(SubmitTask(task="x"))
        await me.until(TaskCompleted)
        async with viewer(realtime, last=seen, principal=ANN) as again:
            connected = await again.until(Connected)
            await again.until(TaskCompleted)
        assert connected.resumed
        assert connected.session_id == me.connection.session_id
        assert again.events[1:] == me.events[2:]


@pytest.mark.parametrize("foreign", [True, False])
async def test_a_position_of_nobody_or_somebody_else_leads_to_a_session_of_ones_own(
    foreign: bool,
) -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime, principal=ANN) as ann:
        seen = await last_position(ann) if foreign else str(Position(new_epoch(), 3))
        async with viewer(realtime, last=seen, principal=BOB) as bob:
            connected = await bob.until(Connected)
            gap = await bob.until(GapOccurred)
            await bob.until(StatusChanged)
        assert not connected.resumed
        assert gap.missed is None
        assert connected.session_id != ann.connection.session_id


async def test_only_its_owner_is_told_that_a_session_has_ended() -> None:
    async with RealtimeAgent(quick, linger=0) as realtime:
        async with viewer(realtime, principal=ANN) as me:
            seen = await last_position(me)
            session = me.connection.session_id
        with pytest.raises(SessionEnded):
            realtime.check_connect(principal=ANN, session_id=session)
        with pytest.raises(SessionEnded):
            realtime.check_connect(principal=ANN, last_position=seen)
        realtime.check_connect(principal=BOB, last_position=seen)
        with pytest.raises(UnknownSession) as caught:
            realtime.check_connect(principal=BOB, session_id=session)
        assert not isinstance(caught.value, SessionEnded)


async def test_a_room_whose_name_is_guessed_stays_closed() -> None:
    async with (
        RealtimeAgent(quick) as realtime,
        viewer(realtime, session="lobby", create=True) as me,
    ):
        seen = await last_position(me)
        with pytest.raises(UnknownSession):
            realtime.check_connect(session_id="lobby")
        async with viewer(realtime, last=seen) as other:
            assert other.connection.session_id != "lobby"
        realtime.check_connect(session_id="lobby", create=True)


async def test_a_hook_lets_others_watch_and_no_more() -> None:
    asked: list[tuple[str, Action, str | None]] = []

    def authorize(principal: Principal, action: Action, session: SessionInfo) -> bool:
        asked.append((principal.id, action, session.owner and session.owner.id))
        return action == "attach"

    async with (
        RealtimeAgent(stepping, authorize=authorize) as realtime,
        viewer(realtime, principal=ANN) as ann,
    ):
        ann.send(SubmitTask(task="hang", task_id="t"))
        session = ann.connection.session_id
        async with viewer(realtime, session=session, principal=BOB) as bob:
            for command in (
                SubmitTask(task="x", request_id="1"),
                CancelTask(request_id="2"),
                GetState(request_id="3"),
            ):
                answer = await bob.answer(command)
                assert isinstance(answer, CommandFailed)
                assert answer.code == "forbidden"
        answer = await ann.answer(CancelTask(request_id="c"))
        assert isinstance(answer, Acknowledged)
        assert answer.outcome == "cancelled"
    assert asked == [
        ("bob", "attach", "ann"),
        ("bob", "submit", "ann"),
        ("bob", "cancel", "ann"),
        ("bob", "read", "ann"),
    ]


async def test_a_hook_decides_for_everybody_in_a_room() -> None:
    def authorize(principal: Principal, action: Action, session: SessionInfo) -> bool:
        assert session == SessionInfo(id="lobby", owner=None)
        return principal == ANN

    async with (
        RealtimeAgent(quick, authorize=authorize) as realtime,
        viewer(realtime, session="lobby", create=True, principal=ANN) as ann,
        viewer(realtime, session="lobby", create=True, principal=BOB) as bob,
    ):
        refused = await bob.answer(SubmitTask(task="x", request_id="1"))
        taken = await ann.answer(SubmitTask(task="x", request_id="1"))
        assert isinstance(refused, CommandFailed)
        assert isinstance(taken, Acknowledged)
        realtime.check_connect(session_id="lobby", principal=ANN)
        with pytest.raises(UnknownSession):
            realtime.check_connect(session_id="lobby", principal=BOB)


async def test_a_connection_ends_when_its_principal_expires(
    autojump_clock: trio.testing.MockClock,
) -> None:
    me = Principal("me", expires_at=time.time() + 30)
    async with RealtimeAgent(quick) as realtime, viewer(realtime, principal=me) as mine:
        before = trio.current_time()
        await mine.connection.wait_closing()
        assert 29 < trio.current_time() - before <= 30
        assert mine.connection.closing == (
            CloseCode.NOT_AUTHORISED,
            "the authorisation has expired",
        )
        assert await mine.read() == []


async def test_a_principal_that_has_expired_does_nothing() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime, principal=ANN) as ann:
        late = Principal("ann", expires_at=time.time() - 1)
        assert late == ANN
        with pytest.raises(UnknownSession):
            realtime.check_connect(session_id=ann.connection.session_id, principal=late)
        async with viewer(realtime, principal=late) as mine:
            mine.send(SubmitTask(task="x"))
            assert mine.connection.closing is not None
            assert mine.connection.closing[0] == CloseCode.NOT_AUTHORISED


async def test_one_principal_cannot_take_all_connections() -> None:
    limits = Limits(max_connections_per_principal=1, max_connections=4)
    async with RealtimeAgent(quick, limits=limits) as realtime:
        async with viewer(realtime, principal=ANN):
            with pytest.raises(TooManyConnections, match="you have"):
                realtime.check_connect(principal=ANN)
            async with viewer(realtime, principal=BOB), viewer(realtime), viewer(realtime):
                with pytest.raises(TooManyConnections, match="the server has"):
                    realtime.check_connect(principal=Principal("carl"))
        realtime.check_connect(principal=ANN)


async def test_who_opens_many_sessions_costs_nobody_else_theirs() -> None:
    async with RealtimeAgent(quick, limits=Limits(max_sessions=3)) as realtime:
        async with viewer(realtime, principal=ANN) as ann:
            anns = ann.connection.session_id
        for _ in range(5):
            async with viewer(realtime, principal=BOB):
                pass
        realtime.check_connect(session_id=anns, principal=ANN)


async def test_a_task_that_the_application_submits_for_somebody_is_theirs() -> None:
    async with RealtimeAgent(stepping) as realtime:
        hers = realtime.submit("hang", principal=ANN).session_id
        anyones = realtime.submit("hang").session_id
        realtime.check_connect(session_id=hers, principal=ANN)
        realtime.check_connect(session_id=anyones, principal=BOB)
        with pytest.raises(UnknownSession):
            realtime.check_connect(session_id=hers, principal=BOB)


async def test_the_ends_of_many_sessions_are_remembered_within_bounds() -> None:
    async with RealtimeAgent(quick, linger=0) as realtime:
        ended: list[str] = []
        for _ in range(REMEMBERED_ENDS + 1):
            async with viewer(realtime) as me:
                ended.append(me.connection.session_id)
        with pytest.raises(SessionEnded):
            realtime.check_connect(session_id=ended[1])
        with pytest.raises(UnknownSession) as caught:
            realtime.check_connect(session_id=ended[0])
        assert not isinstance(caught.value, SessionEnded)
