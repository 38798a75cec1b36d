"""`python -m benchmarks --quick`: what is printed, written and drawn. No time is looked at."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import agent_side, stages
from benchmarks.__main__ import main
from benchmarks.reporting.plots import draw_plots
from tests.programs import miss

SVG = "{http://www.w3.org/2000/svg}"


def test_a_short_run_measures_prints_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for program in ("cc", "node", "npm"):
        if shutil.which(program) is None:
            miss(f"this needs {program}")
    path, folder = tmp_path / "results.json", tmp_path / "img"
    options = ["--quick", "--only", "batch-4", "--json", str(path), "--plots", str(folder)]
    assert main(options) == 0
    printed = capsys.readouterr().out
    written = json.loads(path.read_text(encoding="utf-8"))
    servers = [each["server"] for each in written["medians"]]
    assert servers == ["ours-ws", "ours-sse", "websockets", "node-ws", "node-http"]
    assert all(each["ordered"] for each in written["samples"])
    assert written["options"]["quick"] is True
    assert written["targets"] == []
    assert written["machine"]["versions"]["trio_agent_rt"]
    assert "trio_agent_rt, WebSocket" in printed
    assert "no target is looked at" in printed
    assert [each.name for each in folder.iterdir()] == ["cost-against-batch.svg"]


def test_what_publishing_costs_an_agent_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    agent_side.main(["--rounds", "1", "--calls", "3"])
    names = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["step.progress (throttled)", "step.output (joined)", "realtime.broadcast"]


def test_where_the_time_of_an_event_goes_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("cc") is None:
        miss("this needs cc")
    # Slow enough that the loop sleeps between two events on a busy machine too.
    stages.main(["--clients", "3", "--rate", "25", "--seconds", "2.5"])
    names = [line.rpartition("  ")[0].strip() for line in capsys.readouterr().out.splitlines()]
    assert names[0] == "awake → publishing"
    assert "flushing → flushed" in names
    assert names[-1].startswith("the CPU of the whole event")


def test_a_plot_has_a_line_per_server_and_says_what_it_shows(tmp_path: Path) -> None:
    clients = {"scale-1": 1, "scale-100": 100, "scale-5000": 5000}
    results = {
        "cases": [{"name": name, "clients": count} for name, count in clients.items()],
        "medians": [
            {"case": case, "server": server, "cpu_us": cost}
            for server, costs in (("ours-ws", (90.0, 11.0, 12.5)), ("picows", (80.0, 13.0, 8.0)))
            for case, cost in zip(clients, costs, strict=True)
        ],
    }
    (drawn,) = draw_plots(results, tmp_path / "img")
    assert drawn.name == "cost-against-clients.svg"
    image = ElementTree.parse(drawn).getroot()
    assert len(image.findall(f"{SVG}path")) == 2
    assert len(image.findall(f"{SVG}g/{SVG}circle")) == 6
    title, description = image.find(f"{SVG}title"), image.find(f"{SVG}desc")
    assert title is not None
    assert title.text == "Server CPU per delivery against the number of clients"
    assert description is not None
    assert "picows: 80 at 1, 13 at 100, 8 at 5000" in (description.text or "")


def test_without_its_cases_no_plot_is_drawn(tmp_path: Path) -> None:
    assert draw_plots({"cases": [], "medians": []}, tmp_path) == []
    assert list(tmp_path.iterdir()) == []
