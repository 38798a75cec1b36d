"""What of the repository is in the site, and where: the pages of `docs/` and what they link to.

Links in the pages are those that work in the repository. In the site README.md and
CHANGELOG.md have a place beside the other pages, and an example, a test or a source file
that some page links to has a page that shows it.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

__all__ = ["REPOSITORY", "added_pages", "for_the_site", "site_path"]

REPOSITORY = Path(__file__).parents[2]

_OWN_PLACES: Mapping[str, str] = {"README.md": "readme.md", "CHANGELOG.md": "changelog.md"}
_LANGUAGES: Mapping[str, str] = {
    ".py": "python",
    ".js": "js",
    ".jsx": "jsx",
    ".html": "html",
    ".css": "css",
    ".json": "json",
}
_CODE = re.compile(r"^(```|~~~)[^\n]*\n.*?^\1$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_TARGET = re.compile(r"(?<=\]\()[^)\s]+(?=\))|(?<=\]: )\S+$", re.MULTILINE)
_DECLARATION = re.compile(r"`([^`\n]*<!\[[^`\n]*)`")
"""A regular expression that looks behind: MkDocs trips over what looks like SGML to it."""
_MARK = re.compile(r"^<!-- test: .*? -->\n", re.MULTILINE)


def site_path(path: str) -> str:
    """Where a file of the repository stands among the pages of the site.

    Args:
        path: relative to the repository, with slashes; so is what it returns, to the site.
    """
    if path in _OWN_PLACES:
        return _OWN_PLACES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    stem = path.removesuffix(".py").removesuffix(".md")
    return f"{stem}.md" if path.startswith("examples/") else f"source/{stem}.md"


def added_pages() -> Mapping[str, str]:
    """The Markdown of all pages that do not stand in `docs/`, by their place in the site."""
    linked = {
        target
        for page in [*(REPOSITORY / "docs").rglob("*.md"), *map(REPOSITORY.joinpath, _OWN_PLACES)]
        for target in _linked_files(page)
        if not target.startswith("docs/")
    }
    examples = {f"examples/{each.name}" for each in (REPOSITORY / "examples").glob("*.py")}
    return {site_path(each): _as_page(each) for each in linked | examples | set(_OWN_PLACES)}


def for_the_site(text: str, path: str) -> str:
    """The Markdown of a page, as the site is to have it.

    Args:
        path: of the page, relative to the repository.
    """
    here = posixpath.dirname(site_path(path))

    def moved(target: str) -> str:
        file, hash_sign, anchor = target.partition("#")
        if not file or ":" in file:
            return target
        found = posixpath.normpath(posixpath.join(posixpath.dirname(path), file))
        return posixpath.relpath(site_path(found), here or ".") + hash_sign + anchor

    text = _outside_of_code(_MARK.sub("", text), lambda prose: _TARGET.sub(_each(moved), prose))
    return _DECLARATION.sub(lambda match: f"<code>{_as_entities(match[1])}</code>", text)


def _as_entities(text: str) -> str:
    return "".join(each if each.isalnum() else f"&#{ord(each)};" for each in text)


def _each(change: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
    return lambda match: change(match[0])


def _outside_of_code(text: str, change: Callable[[str], str]) -> str:
    """`text`, with `change` made to what stands between pieces of code."""
    kept = [match[0] for match in _CODE.finditer(text)]
    changed = change(_CODE.sub("\0", text)).split("\0")
    return "".join(each for pair in zip(changed, [*kept, ""], strict=True) for each in pair)


def _linked_files(page: Path) -> Iterator[str]:
    for target in _TARGET.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        file = target.partition("#")[0]
        if file and ":" not in file:
            found = (page.parent / file).resolve()
            if found.is_file():
                yield found.relative_to(REPOSITORY).as_posix()


def _as_page(path: str) -> str:
    text = (REPOSITORY / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return for_the_site(text, path)
    title = f"# {path}\n\n"
    if path.startswith("examples/") and path.endswith(".py"):
        said = ast.get_docstring(ast.parse(text)) or ""
        title += said.partition("\n\n")[0] + "\n\n"
    return f"{title}```{_LANGUAGES[posixpath.splitext(path)[1]]}\n{text}```\n"
