"""What MkDocs is told beyond mkdocs.yml: pages from outside of `docs/`, links, the messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mkdocs.structure.files import File

from docs.tools import messages, pages

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

__all__ = ["on_files", "on_page_markdown"]

MESSAGES = "<!-- messages: the tables are made from the code -->"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add README.md, CHANGELOG.md, the examples, and what else the pages link to."""
    for path, text in pages.added_pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn a page of the repository into one of the site."""
    if page.file.generated_by is not None:
        return markdown
    text = pages.for_the_site(markdown, f"docs/{page.file.src_uri}")
    return text.replace(MESSAGES, messages.render())
