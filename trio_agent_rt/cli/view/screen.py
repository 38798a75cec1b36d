"""Where a view is shown: plain lines, JSON for programs, or a terminal (see `terminal`)."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TextIO

import trio
from attrs import define

from ...events import SessionView, TaskView
from ...protocol import Event, TaskCompleted, encode_event
from ..endings import OutputLost
from ..lines import Kind, Line, Marks, Transcript, clean, ending, marks_for, one_line

__all__ = ["Asked", "JsonScreen", "PlainScreen", "Screen", "marked", "output_lost", "write_out"]


@define
class Asked:
    """A prompt that stands on the screen."""

    typed: bool = False
    """Whether a line was typed, and so the cursor is below the prompt."""


class Screen(ABC):
    """Where a view is shown. Nothing but `animate` waits.

    Args:
        prompts: where questions to a person are written.
        clock: seconds.
    """

    tells_questions: bool = True
    """Whether `show` tells what a question asks."""

    hint: str = ""
    """What is wrong at the moment, shown where there is a place for it."""

    def __init__(self, prompts: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._prompts = prompts
        self._prompt = ""
        self._asking = False
        self._clock = clock
        self.since = clock()
        """When what is shown began."""

    @abstractmethod
    def show(self, event: Event, session: SessionView) -> None:
        """Show an event that `session` has taken in."""

    @abstractmethod
    def finish(self, completed: TaskCompleted, task: TaskView | None) -> None:
        """Show how a task ended."""

    @abstractmethod
    def note(self, text: str, kind: Kind = "note") -> None:
        """Show a remark of the program's own, at once."""

    def quote(self, title: str, lines: Sequence[str]) -> None:
        """Show a text of the agent's where questions are asked, with a mark before each line.

        Args:
            title: what it is about; empty if it goes on with one that was quoted before.
        """
        marks = marks_for(self._prompts.encoding)
        head = [Line("question", one_line(title, 200))] if title else []
        quoted = [*head, *(Line("quoted", each, indent=1) for each in lines)]
        self._prompts.write("".join(f"{marked(each, marks)}\n" for each in quoted))
        self._prompts.flush()

    async def animate(self) -> None:
        """Draw what moves, until cancelled."""
        await trio.sleep_forever()

    @contextmanager
    def asking(self, prompt: str) -> Generator[Asked]:
        """Show a prompt; what else there is to show waits until the block is left."""
        self._prompt = prompt
        self._show_prompt()
        self._asking = True
        asked = Asked()
        try:
            yield asked
        finally:
            self._asking = False
            if not asked.typed:
                self._prompts.write("\n")
                self._prompts.flush()

    def _show_prompt(self) -> None:
        with output_lost():
            self._prompts.write(self._prompt)
            self._prompts.flush()

    def pause(self) -> None:
        """The process is about to be stopped, and somebody else gets the terminal."""
        with output_lost():
            self._prompts.flush()

    def resume(self) -> None:
        """The process goes on: a question that was open is asked again."""
        if self._asking:
            self._show_prompt()

    def begin(self) -> None:
        """A task begins: its time is counted from here."""
        self.since: float = self._clock()

    def restore(self) -> None:
        """Leave the terminal as it was found, at once; for when the process ends hard."""
        self._asking = False


class JsonScreen(Screen):
    """One message of the wire per line; remarks go to standard error."""

    def __init__(self, stream: TextIO, prompts: TextIO) -> None:
        super().__init__(prompts)
        self._stream = stream

    def show(self, event: Event, session: SessionView) -> None:
        """Write the event as the wire has it."""
        write_out(self._stream, encode_event(event).decode() + "\n")

    def finish(self, completed: TaskCompleted, task: TaskView | None) -> None:
        """Nothing: the terminal message has told."""

    def note(self, text: str, kind: Kind = "note") -> None:
        """Write it to standard error."""
        print(clean(text), file=sys.stderr, flush=True)


class PlainScreen(Screen):
    """A line of text for every event, and nothing that moves: for files, pipes, logs.

    Args:
        stream: where the lines go.
        label_tasks: whether a line says which task it is of.
        clock: seconds, for the time at the beginning of a line.
    """

    def __init__(
        self,
        stream: TextIO,
        prompts: TextIO,
        *,
        label_tasks: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(prompts, clock=clock)
        self._stream = stream
        self._marks = marks_for(stream.encoding)
        self._label_tasks = label_tasks
        self._transcript = Transcript(each=True)
        self._held: list[str] = []

    def show(self, event: Event, session: SessionView) -> None:
        """Write what the event says."""
        now = self._clock()
        lines = self._transcript.take(event, session, now)
        self._write(
            f"{now - self.since:7.1f}  {marked(line, self._marks, label=self._label_tasks)}"
            for line in lines
        )

    def finish(self, completed: TaskCompleted, task: TaskView | None) -> None:
        """Write the output, the summary and the outcome."""
        self._write(marked(line, self._marks) for line in ending(completed, task))

    def note(self, text: str, kind: Kind = "note") -> None:
        """Write it, in front of what waits behind a prompt."""
        held, self._held, asking, self._asking = self._held, [], self._asking, False
        lines = (Line(kind, each) for each in clean(text).split("\n"))
        self._write([*held, *(marked(each, self._marks) for each in lines)])
        self._asking = asking

    @contextmanager
    def asking(self, prompt: str) -> Generator[Asked]:
        """Show a prompt; what else there is to show waits until the block is left."""
        try:
            with super().asking(prompt) as asked:
                yield asked
        finally:
            held, self._held = self._held, []
            self._write(held)

    def _write(self, lines: Iterable[str]) -> None:
        if self._asking:
            self._held += lines
            return
        write_out(self._stream, "".join(f"{line}\n" for line in lines))


def write_out(stream: TextIO, text: str) -> None:
    """Write to standard output.

    Raises:
        OutputLost: when it takes nothing more.
    """
    with output_lost():
        stream.write(text)
        stream.flush()


@contextmanager
def output_lost() -> Generator[None]:
    """Turn an error of writing into `OutputLost`."""
    try:
        yield
    except OSError as exc:
        raise OutputLost(exc) from exc


def marked(line: Line, marks: Marks, *, label: bool = False) -> str:
    """A line as plain text, with its mark and, if wanted, its task."""
    mark = marks.of(line.kind)
    of_task = f"[{line.task_id[:8]}] " if label and line.task_id and not line.indent else ""
    return f"{'  ' * line.indent}{of_task}{mark}{' ' if mark else ''}{line.text}"
