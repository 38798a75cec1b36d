"""The pictures of the tutorial can be made anew, from what the tutorial says."""

from __future__ import annotations

import re
from pathlib import Path

from docs.tools.screenshots import NAMES, make_pictures

from .pages import REPOSITORY

PICTURES = REPOSITORY / "docs" / "img"


def test_the_tutorials_program_and_its_page_do_what_the_pictures_show(tmp_path: Path) -> None:
    for path in make_pictures(tmp_path):
        assert path.stat().st_size > 10_000, f"{path.name} is empty"


def test_the_tutorial_shows_every_picture_that_is_made_and_no_other() -> None:
    shown = {
        name
        for page in (REPOSITORY / "docs" / "tutorial").glob("*.md")
        for name in re.findall(r"\(\.\./img/(\S+\.png)\)", page.read_text(encoding="utf-8"))
    }
    assert shown == {f"tutorial-{name}.png" for name in NAMES}
    assert shown == {each.name for each in PICTURES.glob("*.png")}
