"""The panel of a server: its options, and what it offers to try."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

from ...panel import Panel
from ...transports import ServerAddresses
from ..endings import Complaint

__all__ = ["add_panel_options", "panel_of", "panel_url"]

_MOST_LOOKED_AT = 1000
"""Names in a folder among which a table is looked for; a folder can have a million."""


def add_panel_options(parser: argparse.ArgumentParser) -> None:
    """Add the options about the panel."""
    parser.add_argument(
        "--no-panel",
        action="store_true",
        help="leave out the web page, which is at / of the HTTP port otherwise",
    )
    parser.add_argument(
        "--websocket-url",
        metavar="URL",
        help="where browsers find the WebSocket, wss://agent.example.com/ws for example; otherwise "
        "at --port, or, for a page that came through a proxy, beside the page",
    )


def panel_of(options: argparse.Namespace) -> Panel | None:
    """The panel that was asked for, or None.

    Raises:
        Complaint: when it cannot be like that.
    """
    if options.no_panel or options.http_port is None:
        return None
    try:
        return Panel(examples=_examples(Path(options.root)), websocket_url=options.websocket_url)
    except ValueError as exc:
        raise Complaint(str(exc).replace("websocket_url", "--websocket-url")) from None


def panel_url(addresses: ServerAddresses, prefix: str = "") -> str:
    """What to open in a browser of this machine."""
    assert addresses.sse is not None
    return f"{addresses.sse.base_url}{prefix}/"


def _examples(root: Path) -> Iterator[str]:
    """Tasks that every model can do with what is there."""
    yield "wait 10 seconds"
    table = _first_table(root)
    if table is not None:
        yield f"analyse {table} and save a report"
    yield "what time is it in Tokyo"
    yield "东京现在几点"


def _first_table(root: Path) -> str | None:
    """The name of a table in the folder, if a task can name it without further ado."""
    try:
        names = sorted(each.name for each in itertools.islice(root.iterdir(), _MOST_LOOKED_AT))
    except OSError:
        return None
    return next((name for name in names if name.endswith(".csv") and " " not in name), None)
