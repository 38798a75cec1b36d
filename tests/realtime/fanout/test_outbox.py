"""What was published and not given to all yet: numbers, and bytes made once."""

from __future__ import annotations

from trio_agent_rt.events import Encoded
from trio_agent_rt.protocol import Position
from trio_agent_rt.realtime.fanout import Batch, Outbox


def item(offset: int, text: str = "x") -> Encoded:
    return Encoded(f'"{text}{offset}"'.encode(), Position("e", offset))


def filled(count: int) -> tuple[Outbox, list[Encoded]]:
    outbox, items = Outbox(), [item(each) for each in range(count)]
    for each in items:
        outbox.put(each)
    return outbox, items


def test_what_is_put_in_has_the_next_number_also_after_some_was_forgotten() -> None:
    outbox, items = filled(3)
    assert (len(outbox), outbox.end) == (3, 3)
    outbox.forget(2)
    assert (len(outbox), outbox.end) == (1, 3)
    outbox.put(items[0])
    assert outbox.end == 4
    assert outbox.after(2).items == [items[2], items[0]]
    assert outbox.after(3).items == [items[0]]
    assert outbox.after(2).end == outbox.after(3).end == 4


def test_it_counts_the_bytes_that_it_holds() -> None:
    outbox, items = filled(3)
    assert outbox.size == sum(map(len, items))
    outbox.forget(2)
    assert outbox.size == len(items[2])
    outbox.forget(3)
    assert (outbox.size, len(outbox)) == (0, 0)


def test_to_forget_what_was_forgotten_changes_nothing() -> None:
    outbox, items = filled(3)
    outbox.forget(2)
    batch = outbox.after(2)
    for number in (0, 1, 2):
        outbox.forget(number)
    assert outbox.after(2) is batch
    assert batch.items == items[2:]
    assert outbox.end == 3


def test_all_who_stand_at_one_place_are_given_one_batch() -> None:
    outbox, items = filled(3)
    assert outbox.after(1) is outbox.after(1)
    assert outbox.after(0) is not outbox.after(1)
    before = outbox.after(1)
    outbox.put(item(3))
    assert len(outbox.after(1).items) == 3
    assert before.items == items[1:], "what was given is as it was given"


def test_bytes_are_made_once_for_each_form() -> None:
    framed: list[Encoded] = []

    def framing(each: Encoded) -> bytes:
        framed.append(each)
        return each.json + b";"

    items = [item(1), item(2)]
    batch = Batch(items, 2)
    plain, wrapped = (framing, None), (framing, lambda data: b"<" + data + b">")
    assert batch.to_bytes(plain) == b'"x1";"x2";'
    assert batch.to_bytes(wrapped) == b'<"x1";"x2";>'
    assert batch.to_bytes(plain) is batch.to_bytes((framing, None))
    assert batch.to_bytes(wrapped) is batch.to_bytes(wrapped)
    assert framed == items * 2
    assert Batch(items[:1], 1).to_bytes(wrapped) == b'<"x1";>'


def test_a_batch_ends_where_the_last_of_it_stands_in_the_log() -> None:
    again = Encoded(b'"told again"')
    assert Batch([item(4), item(5), again], 3).last == Position("e", 5)
    assert Batch([again], 1).last is None
    assert Batch([item(4), again], 2).size == len(item(4)) + len(again)
