"""The plots of the documentation, from the JSON of a run: SVG, without a library."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from attrs import frozen

from ..servers import SERVERS

__all__ = ["draw_plots"]

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 210, 44, 56

_COLOURS = {
    "ours-ws": "#00796b",
    "ours-sse": "#7cb342",
    "websockets": "#1565c0",
    "node-ws": "#ef6c00",
    "node-http": "#ad1457",
    "picows": "#6a1b9a",
}
_OTHER = "#78909c"


@frozen(kw_only=True)
class _Plot:
    """Medians against what the cases of a group differ in."""

    file: str
    title: str
    group: str
    across: str
    """The field of the cases that goes from left to right."""
    across_text: str
    up: str
    """The value that goes up."""
    up_text: str


_PLOTS = (
    _Plot(
        file="cost-against-clients.svg",
        title="Server CPU per delivery against the number of clients",
        group="scale-",
        across="clients",
        across_text="clients; 10,000 deliveries a second in all (one client: 500, ten: 5,000)",
        up="cpu_us",
        up_text="µs per delivery",
    ),
    _Plot(
        file="cost-against-batch.svg",
        title="Server CPU per delivery against events published in one go",
        group="batch-",
        across="batch",
        across_text="events in one go, 20 times a second, to 100 clients",
        up="cpu_us",
        up_text="µs per delivery",
    ),
    _Plot(
        file="latency-against-load.svg",
        title="Latency (p99) against load",
        group="load-",
        across="rate",
        across_text="events a second, to 100 clients",
        up="p99_us",
        up_text="µs, 99th percentile",
    ),
)


def draw_plots(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw what `results` (as JSON) have cases for; gives the files.

    Args:
        folder: made if it is not there.
    """
    written: list[Path] = []
    for plot in _PLOTS:
        lines = _lines(results, plot)
        if lines:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / plot.file
            path.write_text("\n".join(_svg(plot, lines)) + "\n", encoding="utf-8")
            written.append(path)
    return written


Points = list[tuple[float, float]]


def _lines(results: Mapping[str, Any], plot: _Plot) -> dict[str, Points]:
    cases = {case["name"]: case for case in results["cases"] if case["name"].startswith(plot.group)}
    lines: dict[str, Points] = {}
    for medians in results["medians"]:
        if medians["case"] in cases and medians.get(plot.up, 0) > 0:
            x = float(cases[medians["case"]][plot.across])
            lines.setdefault(medians["server"], []).append((x, medians[plot.up]))
    order = [*SERVERS]
    return {name: sorted(lines[name]) for name in sorted(lines, key=order.index)}


def _svg(plot: _Plot, lines: Mapping[str, Points]) -> Iterator[str]:
    xs = sorted({x for points in lines.values() for x, _ in points})
    ys = [y for points in lines.values() for _, y in points]
    low, high = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    across = _logarithmic(xs[0], xs[-1], _LEFT + 10, right - 10)
    up = _logarithmic(low, max(high, low * 10), bottom, _TOP)
    described = "; ".join(f"{SERVERS[name].title}: {_told(lines[name])}" for name in lines)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="12">'
    )
    yield f'  <title id="t">{escape(plot.title)}</title>'
    by = escape(f"{plot.up_text}, by {plot.across}. {described}")
    yield f'  <desc id="d">{by}</desc>'
    yield f'  <rect width="{_WIDTH}" height="{_HEIGHT}" rx="10" fill="#fafafa"/>'
    yield f'  <text x="{_LEFT}" y="26" font-size="15" font-weight="600">{escape(plot.title)}</text>'
    yield '  <g stroke="#cfd8dc">'
    ticks = list(_ticks(low, max(high, low * 10)))
    for tick in ticks:
        yield f'    <path d="M{_LEFT} {up(tick):.1f}H{right}"/>'
    yield "  </g>"
    yield '  <g fill="#455a64" text-anchor="end">'
    for tick in ticks:
        yield f'    <text x="{_LEFT - 8}" y="{up(tick) + 4:.1f}">{tick:,g}</text>'
    yield "  </g>"
    yield '  <g fill="#455a64" text-anchor="middle">'
    for x in xs:
        yield f'    <text x="{across(x):.1f}" y="{bottom + 18}">{x:,g}</text>'
    yield f'    <text x="{(_LEFT + right) / 2}" y="{bottom + 40}">{escape(plot.across_text)}</text>'
    middle = (_TOP + bottom) / 2
    yield (
        f'    <text x="18" y="{middle}" transform="rotate(-90 18 {middle})">'
        f"{escape(plot.up_text)}</text>"
    )
    yield "  </g>"
    for name, points in lines.items():
        yield from _line(name, points, across, up)
    yield from _legend(lines, up, right)
    yield "</svg>"


def _line(
    name: str,
    points: Points,
    across: Callable[[float], float],
    up: Callable[[float], float],
) -> Iterator[str]:
    colour = _COLOURS.get(name, _OTHER)
    places = [(across(x), up(y)) for x, y in points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    width = 3 if name.startswith("ours") else 1.5
    yield f'  <path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
    yield f'  <g fill="{colour}">'
    for x, y in places:
        yield f'    <circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
    yield "  </g>"


def _legend(
    lines: Mapping[str, Points], up: Callable[[float], float], right: float
) -> Iterator[str]:
    """The names, each as near to the end of its line as the others leave room for."""
    above = 0.0
    for name in sorted(lines, key=lambda name: up(lines[name][-1][1])):
        y = max(up(lines[name][-1][1]) + 4, above + 16)
        above = y
        weight = "600" if name.startswith("ours") else "400"
        colour = _COLOURS.get(name, _OTHER)
        yield (
            f'  <text x="{right + 8}" y="{y:.1f}" fill="{colour}" font-weight="{weight}">'
            f"{escape(SERVERS[name].title)}</text>"
        )


def _told(points: Points) -> str:
    return ", ".join(f"{y:.3g} at {x:g}" for x, y in points)


def _logarithmic(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """A scale from `low`, at `start`, to `high`, at `end`."""
    span = math.log(high / low) or 1.0
    return lambda value: start + (end - start) * math.log(value / low) / span


def _ticks(low: float, high: float) -> Iterator[float]:
    decade = low
    while decade <= high * 1.001:
        for factor in (1, 2, 5):
            if decade * factor <= high * 1.001:
                yield decade * factor
        decade *= 10


def main(arguments: Sequence[str]) -> None:
    """`python -m benchmarks.reporting.plots RESULTS.json FOLDER`."""
    results, folder = (Path(each) for each in arguments)
    for path in draw_plots(json.loads(results.read_text(encoding="utf-8")), folder):
        print(f"Drawn: {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
