"""Links between the pages of the documentation lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from .pages import PAGES, REPOSITORY, anchors, links


def _broken_links(page: Path) -> list[str]:
    broken: list[str] = []
    for link in links(page):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            broken.append(f"{link}: there is no such file")
        elif anchor and anchor not in anchors(target):
            broken.append(f"{link}: {target.name} has no such heading")
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert _broken_links(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading, `with code`\n[good](#a-heading-with-code) [bad](#other) [gone](gone.md#x)\n"
        "`[no link](nowhere.md)`\n```\n[nor this](nowhere.md)\n# no heading\n```\n"
    )
    assert [each.partition(":")[0] for each in _broken_links(page)] == ["#other", "gone.md#x"]


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [REPOSITORY / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        waiting.extend((page.parent / each.partition("#")[0]).resolve() for each in links(page))
    assert set(PAGES) <= reached
