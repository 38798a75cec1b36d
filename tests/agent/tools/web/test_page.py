"""HTML becomes text that reads well, whatever it is made of."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import little_effort
from trio_agent_rt.agent.tools.web.page import Page, read_page

URL = "https://example.com/dir/page"


async def text_of(html: str) -> str:
    return (await read_page(html, URL)).text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("  \n ", ""),
        ("plain text", "plain text\n"),
        ("a<p>b<p>c", "a\n\nb\n\nc\n"),
        ("<h1>A</h1><h3>B</h3>c", "# A\n\n### B\n\nc\n"),
        ("<ul><li>a<li>b</ul>c", "- a\n- b\n\nc\n"),
        ("a<br>b<br/>c", "a\nb\nc\n"),
        ("a\n  <b>b</b>\n c<i> d</i>", "a b c d\n"),
        ("<table><tr><th>a<th>b<tr><td>1</td><td>2</td></tr></table>", "a\tb\n1\t2\n"),
        ("<pre>a\n  b</pre>c  d", "a\n  b\n\nc d\n"),
        ("a<script>x < y && '</p>'</script>b", "ab\n"),
        ("a<style>p {}</style>b<svg><title>x</title><path/></svg>c", "abc\n"),
        ("a<svg/>b<template>c<template>d</template>e</template>f", "abf\n"),
        ("a<noscript>b</noscript>", "ab\n"),
        ("a &lt; b &amp;&#38; &#x26; &nosuch; &eacute;", "a < b && & &nosuch; é\n"),
        ("a &lt b &am", "a < b &am\n"),
        ('x <img src="a" alt="a cat"> y', "x a cat y\n"),
        ("a<!-- b -->c<!d>e<?f?>g", "aceg\n"),
        ("a<![if x]>b<![endif]>c<![nonsense>d", "abcd\n"),
        ("a < b > c", "a < b > c\n"),
        ("</p></svg></script></a></title>a", "a\n"),
        ("<p>a<script>never closed", "a\n"),
        ("a<b", "a\n"),
        ("&#99999999999999999999;&#0;", "\ufffd\ufffd\n"),
        ('<a href="&#' + "9" * 5000 + ';">a</a>', "a\n"),
        ("a\N{NO-BREAK SPACE}b", "a\N{NO-BREAK SPACE}b\n"),
    ],
)
async def test_the_text_of_a_page_reads_well(html: str, text: str) -> None:
    assert await text_of(html) == text


async def test_the_title_is_the_first_one() -> None:
    page = await read_page("<title> A\n&amp; B </title><title>C</title><p>x", URL)
    assert (page.title, page.text) == ("A & B", "x\n")


async def test_links_are_absolute_named_and_told_once() -> None:
    page = await read_page(
        '<a href="x">first <b>one</b></a><a href="/y?a=1&amp;b=2">y</a><a href="x">again</a>'
        '<a href="#top">top</a><a href="javascript:x()">j</a><a href="mailto:a@b">m</a><a>no</a>'
        '<a href="http://[">bad</a><a href="//other.org/">other</a>',
        URL,
    )
    assert [(each.text, each.url) for each in page.links] == [
        ("first one", "https://example.com/dir/x"),
        ("y", "https://example.com/y?a=1&b=2"),
        ("other", "https://other.org/"),
    ]


async def test_links_are_relative_to_the_base_that_the_page_names() -> None:
    page = await read_page('<base href="/elsewhere/"><a href="x">x</a>', URL)
    assert page.links[0].url == "https://example.com/elsewhere/x"


async def test_links_are_bounded() -> None:
    many = "".join(f'<a href="{number}">{"t" * 500}</a>' for number in range(300))
    page = await read_page(many + f'<a href="{"x" * 3000}">long</a>', URL)
    assert len(page.links) == 200
    assert max(len(each.text) for each in page.links) == 200


@pytest.mark.parametrize(
    ("long", "text"),
    [
        ('<img src="data:image/png;base64,' + "A" * 300_000 + '">', "ab\n"),
        ("<!--" + "<p>no</p>" * 30_000 + "-->", "ab\n"),
        ("<script>" + "x" * 300_000 + "</script>", "ab\n"),
        ("<x " * 100_000 + ">", "ab\n"),
        ("<!--" + "x" * 300_000, "a\n"),
    ],
    ids=["picture", "comment", "script", "attributes", "endless"],
)
async def test_what_is_very_long_is_skipped_and_what_follows_it_is_read(
    long: str, text: str
) -> None:
    assert await text_of(f"a{long}b") == text


@pytest.mark.parametrize("piece", ["<a ", "<a b='", "&x", "<a\n"])
async def test_what_never_ends_does_not_cost_the_square_of_its_length(piece: str) -> None:
    with little_effort():
        await read_page(piece * (2_000_000 // len(piece)), URL)


async def test_a_long_page_lets_others_run() -> None:
    ran = 0

    async def count() -> None:
        nonlocal ran
        while True:
            await trio.lowlevel.checkpoint()
            ran += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        await read_page("<p>text " * 20_000, URL)
        nursery.cancel_scope.cancel()
    assert ran >= 30


PIECES = st.sampled_from(
    [
        *[
            "<",
            ">",
            "</",
            "<!",
            "<!--",
            "-->",
            "<![",
            "]]>",
            "<?",
            "&",
            "&#",
            "&#x",
            ";",
            "9" * 5000,
        ],
        *["<p>", "</p>", "<a href='", "'", '"', "=", " ", "\n", "\0", "<script>", "</script>", "/"],
        *[
            "<title>",
            "</title>",
            "<pre>",
            "<td>",
            "<li>",
            "<base href=//[>",
            "<svg>",
            "é",
            "\ud800",
        ],
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_no_page_breaks_the_reader(html: str) -> None:
    page = trio.run(read_page, html, URL)
    assert isinstance(page, Page)
