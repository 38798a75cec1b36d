"""The view in a terminal: what is over scrolls up, what runs is drawn below it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

import trio
from rich.cells import chop_cells
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ...events import SessionView, TaskView
from ...protocol import Event, TaskCompleted
from ..lines import (
    MAX_SHOWN_LINES,
    Kind,
    Line,
    Transcript,
    clean,
    ending,
    marks_for,
    one_line,
    plan_lines,
)
from .drawing import STYLES, Frame, draw
from .keyboard import Keyboard
from .screen import Asked, Screen, marked, output_lost

__all__ = ["TerminalScreen"]

_FRAME_INTERVAL = 0.1

_MIN_WIDTH = 16
"""Columns; what is narrower is left to the terminal to wrap."""


class TerminalScreen(Screen):
    """Lines that stay, and below them the plan, with spinners, bars and output.

    While a prompt is open nothing is drawn, so that the person can type. The plan stays as
    it stood when its task ended, or when the view did.

    Args:
        stream: the terminal.
        keyboard: the terminal's keyboard, or None if input comes from elsewhere.
        label_tasks: whether a line says which task it is of.
        clock: seconds.
    """

    tells_questions = False

    def __init__(
        self,
        stream: TextIO,
        *,
        keyboard: Keyboard | None = None,
        label_tasks: bool = False,
        clock: Callable[[], float] = time.monotonic,
        console: Console | None = None,
    ) -> None:
        super().__init__(stream, clock=clock)
        self._stream = stream
        self._console = console or Console(
            file=stream, highlight=False, markup=False, emoji=False, force_terminal=True
        )
        self._keyboard = keyboard
        self._marks = marks_for(stream.encoding)
        self._label_tasks = label_tasks
        self._transcript = Transcript(each=False)
        self._session: SessionView | None = None
        self._live: Live | None = None
        self._animated = False
        self._held: list[Text] = []

    def show(self, event: Event, session: SessionView) -> None:
        """Add what the event leaves behind; what it changes is drawn with the next frame."""
        self._session = session
        self._print(self._transcript.take(event, session, self._clock()), label=self._label_tasks)

    def finish(self, completed: TaskCompleted, task: TaskView | None) -> None:
        """Add the plan as it stood, the output, the summary and the outcome."""
        if task is not None:
            self._leave_plan(task)
        self._print(ending(completed, task, max_lines=MAX_SHOWN_LINES))

    def note(self, text: str, kind: Kind = "note") -> None:
        """Add it, in front of what waits behind a prompt."""
        held, self._held, asking, self._asking = self._held, [], self._asking, False
        if asking:
            with output_lost():
                self._stream.write("\n")
        self._write(held)
        self._print(Line(kind, each) for each in clean(text).split("\n"))
        self._asking = asking

    def quote(self, title: str, lines: Sequence[str]) -> None:
        """Add a text of the agent's, with a mark before each row that it takes."""
        head = [Line("question", one_line(title, 200))] if title else []
        self._print([*head, *(Line("quoted", each, indent=1) for each in lines)])

    async def animate(self) -> None:
        """Draw what runs, ten times a second, while this process has the terminal."""
        self._animated = True
        try:
            while True:
                self._draw()
                await trio.sleep(_FRAME_INTERVAL)
        finally:
            self._animated = False
            self._stop()
            for task in self._session.tasks.values() if self._session else ():
                self._leave_plan(task)

    @contextmanager
    def asking(self, prompt: str) -> Generator[Asked]:
        """Show a prompt below what stays; nothing is drawn until the block is left."""
        drawn = self._live is not None
        self._stop()
        try:
            with super().asking(prompt) as asked:
                yield asked
        finally:
            held, self._held = self._held, []
            self._write(held)
            if drawn and self._animated:  # it may have ended meanwhile, by the same cancel
                self._start()

    def pause(self) -> None:
        """Take the frame away; it is drawn anew where the cursor then is."""
        self._stop()

    def restore(self) -> None:
        """Leave the terminal as it was found, at once."""
        if self._keyboard is not None:
            self._keyboard.restore()
        if self._live is not None:
            with suppress(OSError, ValueError):
                # Not through the console: this may interrupt it in the middle of a frame.
                os.write(self._stream.fileno(), b"\x1b[?25h\n")

    def _draw(self) -> None:
        if self._asking:
            return
        if self._in_background():
            self._stop()
            return
        self._start()
        if self._live is not None:
            with output_lost():
                self._live.refresh()

    def _in_background(self) -> bool:
        """Whether a shell has the terminal now: a frame would be drawn over what it writes."""
        try:
            return os.tcgetpgrp(self._stream.fileno()) != os.getpgrp()
        except (OSError, ValueError):  # not the terminal of this process, or none at all
            return False

    def _start(self) -> None:
        if self._live is None and not self._in_background():
            self._live = Live(
                console=self._console,
                get_renderable=self._frame,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            if self._keyboard is not None:
                self._keyboard.hush()
            with output_lost():
                self._live.start()

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            if self._keyboard is not None:
                self._keyboard.restore()
            with output_lost():
                live.stop()

    def _frame(self) -> Group:
        if self._session is None:
            return Group()
        size = self._console.size
        frame = Frame(
            now=self._clock(),
            since=self.since,
            width=size.width,
            height=size.height,
            marks=self._marks,
            hint=self.hint,
        )
        return Group(*draw(self._session, self._transcript.activities, frame))

    def _leave_plan(self, task: TaskView) -> None:
        if self._label_tasks and task.steps:
            self._print([Line("text", f"Task {one_line((task.task_id or '')[:8])}")])
        self._print(plan_lines(task, max_lines=MAX_SHOWN_LINES))

    def _print(self, lines: Iterable[Line], *, label: bool = False) -> None:
        styled = (self._styled(line, label=label) for line in lines)
        if self._asking:
            self._held += styled
        else:
            self._write(styled)

    def _write(self, lines: Iterable[Text]) -> None:
        with output_lost():
            for line in lines:
                self._console.print(line, soft_wrap=True)

    def _styled(self, line: Line, *, label: bool) -> Text:
        """A line with its colour, wrapped between words unless it is verbatim."""
        text = Text(marked(line, self._marks, label=label), STYLES.get(line.kind, ""))
        if line.kind == "quoted":
            return self._quoted(line)
        indent = "  " * line.indent + ("" if self._marks.of(line.kind) == "" else "  ")
        width = self._console.width - len(indent)
        if line.kind == "verbatim" or text.cell_len <= self._console.width or width < _MIN_WIDTH:
            return text
        text.expand_tabs()
        first = text.wrap(self._console, self._console.width)[0]
        # Not every language has blanks where it may be wrapped.
        begins = len(text) - len(text.plain[len(first) :].lstrip(" "))
        rows = [Text(indent).append_text(row) for row in text[begins:].wrap(self._console, width)]
        for row in (first, *rows):
            row.rstrip()
        return Text("\n").join([first, *rows])

    def _quoted(self, line: Line) -> Text:
        """A line cut at the edge of the terminal, so that no row of it is without its mark."""
        mark = f"{'  ' * line.indent}{self._marks.of(line.kind)} "
        width = self._console.width - len(mark) - 1
        rows = chop_cells(line.text, width) if width > 1 else [line.text]
        return Text("\n").join(
            Text.assemble((mark, STYLES["question"]), each) for each in rows or [""]
        )
