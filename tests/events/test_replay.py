"""Joining replay and live: each event once, in order, or a gap."""

from __future__ import annotations

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.events import EventLog, Joined, follows, join
from trio_agent_rt.protocol import Pong, Position


@frozen
class Item:
    position: Position | None
    answer: int = 0


def item(offset: int, epoch: str = "e") -> Item:
    return Item(Position(epoch, offset))


@pytest.mark.parametrize(
    ("last", "position", "step"),
    [
        (None, Position("e", 7), "next"),
        (Position("e", 6), Position("e", 7), "next"),
        (Position("e", 7), Position("e", 7), "duplicate"),
        (Position("e", 9), Position("e", 7), "duplicate"),
        (Position("e", 5), Position("e", 7), "gap"),
        (Position("d", 6), Position("e", 7), "gap"),
        (Position("d", 9), Position("e", 1), "gap"),
    ],
)
def test_a_position_is_next_or_seen_or_leaves_a_hole(
    last: Position | None, position: Position, step: str
) -> None:
    assert follows(last, position) == step


@given(st.data())
def test_any_split_with_any_overlap_gives_each_once_in_order(data: st.DataObject) -> None:
    total = data.draw(st.integers(0, 20), "events in all")
    seen = data.draw(st.integers(0, total), "seen before")
    replay_from = data.draw(st.integers(0, seen), "replay starts after")
    replay_to = data.draw(st.integers(replay_from, total), "replay ends with")
    live_from = data.draw(st.integers(0, max(replay_to, seen)), "live starts after")
    joined = join(
        Position("e", seen),
        [item(each) for each in range(replay_from + 1, replay_to + 1)],
        [item(each) for each in range(live_from + 1, total + 1)],
    )
    expected = [item(each) for each in range(seen + 1, total + 1)]
    assert joined == Joined(expected, Position("e", total), gap=False)


@given(st.data())
def test_a_hole_between_replay_and_live_is_a_gap_and_what_came_before_it_is_given(
    data: st.DataObject,
) -> None:
    seen = data.draw(st.integers(0, 10))
    replay_to = data.draw(st.integers(seen, seen + 10))
    live_from = data.draw(st.integers(replay_to + 2, replay_to + 10))
    joined = join(
        Position("e", seen),
        [item(each) for each in range(seen + 1, replay_to + 1)],
        [item(each) for each in range(live_from, live_from + 3)],
    )
    expected = [item(each) for each in range(seen + 1, replay_to + 1)]
    assert joined == Joined(expected, Position("e", replay_to), gap=True)


@given(st.lists(st.integers(1, 8).map(item) | st.builds(Item, st.none(), st.integers(1, 9))))
def test_whatever_arrives_the_result_has_no_hole_and_nothing_twice(items: list[Item]) -> None:
    joined = join(Position("e", 3), [], items)
    offsets = [each.position.offset for each in joined.items if each.position]
    assert offsets == list(range(4, 4 + len(offsets)))
    assert joined.last == Position("e", 3 + len(offsets))
    if not joined.gap:
        assert [each for each in joined.items if not each.position] == [
            each for each in items if not each.position
        ]


def test_answers_pass_where_they_stand() -> None:
    answers = [Item(None, 1), Item(None, 2)]
    joined = join(Position("e", 0), [item(1), answers[0]], [item(1), answers[1], item(2)])
    assert joined.items == [item(1), answers[0], answers[1], item(2)]


def test_another_life_of_the_log_is_a_gap() -> None:
    joined = join(Position("e", 1), [], [item(2), item(3, "f")])
    assert joined == Joined([item(2)], Position("e", 2), gap=True)


def test_without_a_position_the_viewer_starts_with_what_comes_first() -> None:
    assert join(None, [], [item(5), item(6)]).items == [item(5), item(6)]
    assert join(None, [], [item(5), item(7)]).gap
    assert join(None, [], []) == Joined([], None, gap=False)


@given(
    events=st.integers(0, 20),
    max_events=st.integers(1, 10),
    seen=st.integers(0, 20),
    listened=st.integers(0, 20),
)
def test_a_log_and_its_live_events_join_without_loss_or_say_that_they_cannot(
    events: int, max_events: int, seen: int, listened: int
) -> None:
    """A viewer listens first and asks for the replay second."""
    log = EventLog(max_events=max_events, epoch="e")
    entries = [log.append(Pong()) for _ in range(events)]
    last = Position("e", min(seen, events))
    live = entries[min(listened, events) :]
    if log.holds(last):
        assert join(last, log.after(last), live).items == entries[last.offset :]
    else:
        assert log.missed(last)
