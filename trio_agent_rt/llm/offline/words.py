"""Cutting a task text into clauses, and finding in them what is said by name.

Quoted texts, file names and addresses are lifted out first and replaced by marks, so
that no rule mistakes a word inside of them for its own; a rule sees
`find ⟦quote⟧ in ⟦file⟧`. The marks are made of private-use characters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from attrs import define, field

__all__ = ["FILE", "QUOTE", "URL", "Language", "Lifted", "clauses", "language_of", "lift"]

Language: TypeAlias = Literal["en", "zh"]
"""What a task is written in."""

FILE = "\ue000\\d+\ue001"
"""The pattern of a mark that stands for a file name."""
QUOTE = "\ue002\\d+\ue003"
"""The pattern of a mark that stands for a quoted text."""
URL = "\ue004\\d+\ue005"
"""The pattern of a mark that stands for an address."""

_BRACKETS = {"file": "\ue000\ue001", "quote": "\ue002\ue003", "url": "\ue004\ue005"}
_MARK = re.compile("[\ue000\ue002\ue004](\\d+)[\ue001\ue003\ue005]")
_PRIVATE = re.compile("[\ue000-\ue005]")

_URLS = re.compile(
    r"https?://[^\s\"'<>，。；、）」”]+[^\s\"'<>，。；、）」”.,;:!?)]", re.IGNORECASE
)
_QUOTED = re.compile(
    r'"([^"\n]+)"|“([^“”\n]+)”|「([^「」\n]+)」|『([^『』\n]+)』|《([^《》\n]+)》|`([^`\n]+)`'
    r"|‘([^‘’\n]+)’|(?<![\w'])'([^'\n]+)'(?!\w)"
)
_NAMED = re.compile(
    r"(?P<name>(?:[A-Za-z]:(?=[\\/]))?(?:[\w./\\~+@&%-]|\(\d+\))+?\.[A-Za-z][A-Za-z0-9]{0,7}"
    r"(?![A-Za-z0-9_]|[./\\-]\w))"
    r"|(?:(?![A-Za-z]:[\\/])[\w./\\~+@&%-]|\(\d+\))++"
)
"""A file name, or all that could be one and is not: no name begins further on in that."""
_BLANKS = re.compile(r"\s{2,}|[^\S \n]")
_FILE_LIKE = re.compile(r"[^\n]*[^\s.]\.[A-Za-z][A-Za-z0-9]{0,7}")
_NO_FILES = frozenset({"e.g", "i.e"})

_ZH_VERB = (
    r"(?:分析|描述|统计|总结|汇总|概括|概述|处理|读取|读|打开|查看|显示|看看|看一下"
    r"|查找|搜索|寻找|找出|列出|生成|提取|抽取|转换|格式化)(?:一下)?"
)
_ZH_SAVE = (
    r"(?:把|将)?(?:报告|结果|它|其)?(?:另存|保存|存|写|导出|输出)(?:报告|结果|它|其)?"
    r"(?:到|为|成|至|入|进)?"
)
_GLUED = re.compile(
    r"(?:并且|并|和|与|及|再|先|请你?|麻烦你?|帮我|帮忙|给我|我想要?|我要|把|将)*"
    rf"(?:{_ZH_VERB}|{_ZH_SAVE}|到|为)(?:文件|表格)?(?=[^.])"
)
"""Words that Chinese writes right before a file name, without a blank."""
_JOINED = re.compile(r"[和与及](?=[^.])")
_PLACED = {
    "在": re.compile(r"\s*(?:文件)?[中里内]"),
    "从": re.compile(r"\s*(?:文件)?(?:[中里内]|读|找|查|搜)"),
    "对": re.compile(r"\s*(?:文件)?(?:进行|做|作)"),
    "把": re.compile(r"\s*(?:文件)?\w"),
    "将": re.compile(r"\s*(?:文件)?\w"),
}
"""Words that may also begin a name (在线.csv), and what follows the name if they do not."""
_BOUNDARY = re.compile(rf"(?:{_ZH_VERB}|[到为成至在从对把将中里]|[A-Za-z])\s+$")
"""What ends before a blank that says by itself where the name begins."""
_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,7}\s*$")
_MAX_BEFORE = 20
"""Of what stands before a name, so much is looked at by these two."""

_STRONG = re.compile(
    r"\s*(?:[;；。！!\n]|\.(?=\s|$)"
    r"|[,，]?\s*(?:and\s+)?\b(?:then|after\s+that|afterwards|finally)\b\s*,?"
    r"|[,，]?\s*(?:并?然后再?|接着再?|随后|之后再?|最后)|[,，]\s*再|(?<=[秒钟时])(?:以|之)?后)\s*[,，]?\s*",
    re.IGNORECASE,
)
_VERB = (
    r"(?:analy[sz]e|describe|summari[sz]e|profile|process|inspect|read|show|open|print|display"
    r"|view|wait|sleep|pause|find|search|grep|look\s+for|list|save|write|store|export|calculate"
    r"|compute|evaluate|work\s+out|fetch|download|get|create|make|generate|produce|put|report"
    r"|replace|extract|convert|count|format|what"
    r"|delete|remove|send|e?mail|translate|tell|call|run|rename|move|copy|upload|post"
    r"|分析|描述|统计|总结|汇总|概括|概述|处理|读取|打开|查看|显示|等待|等|暂停|查找|搜索|寻找|找出"
    r"|列出|保存|存|写|导出|计算|算|抓取|获取|下载|生成|输出|把|将|请|在|再|发送|删除|翻译|替换|提取|转换|格式化)"
)
_WEAK = re.compile(
    rf"\s*(?:[,，]\s*)?(?:\band\s+(?:also\s+)?|并且|并|同时|[,，])\s*(?={_VERB})", re.IGNORECASE
)
_OPENING = re.compile(
    r"(?:please|kindly|can\s+you|could\s+you|would\s+you|i\s+want\s+(?:you\s+)?to|first|also|now|next"
    r"|请你?|麻烦你?|帮我|帮忙|首先|先|再|给我|我想要?|我要)(?![A-Za-z])[\s,，]*",
    re.IGNORECASE,
)


@define
class Lifted:
    """A task text with marks, and what the marks stand for."""

    text: str
    named: list[str] = field(factory=list[str])

    def lift(self, kind: str, value: str) -> str:
        """A new mark for `value`."""
        self.named.append(value)
        return f"{_BRACKETS[kind][0]}{len(self.named) - 1}{_BRACKETS[kind][1]}"

    def value(self, mark: str) -> str:
        """What a text with marks says in full."""
        return _MARK.sub(lambda found: self.named[int(found[1])], mark)

    def values(self, pattern: str, text: str) -> Sequence[str]:
        """What the marks of one kind in `text` stand for."""
        return [self.value(found[0]) for found in re.finditer(pattern, text)]


def lift(task: str) -> Lifted:
    """The task with quoted texts, file names and addresses replaced by marks."""
    lifted = Lifted(_PRIVATE.sub("", task).strip())

    def quoted(found: re.Match[str]) -> str:
        value = next(group for group in found.groups() if group is not None).strip()
        kind = "file" if _FILE_LIKE.fullmatch(value) else "quote"
        return lifted.lift(kind, value) if value else found[0]

    lifted.text = _URLS.sub(lambda found: lifted.lift("url", found[0]), lifted.text)
    lifted.text = _QUOTED.sub(quoted, lifted.text)
    # One blank is enough for every rule, and many would make them slow.
    lifted.text = _BLANKS.sub(lambda found: "\n" if "\n" in found[0] else " ", lifted.text)
    lifted.text = _NAMED.sub(lambda found: _named(found, lifted), lifted.text)
    return lifted


def _named(found: re.Match[str], lifted: Lifted) -> str:
    """The mark for a file name, and before it the words that were written onto it."""
    name = found["name"]
    if name is None:
        return found[0]
    if name.lower() in _NO_FILES or re.fullmatch(r"[\d.]+e\d*", name, re.IGNORECASE):
        return name
    before, after = found.string[: found.start()], found.string[found.end() :]
    before = before[-_MAX_BEFORE:]
    glued = None
    after_name = _EXTENSION.search(before)
    if after_name or not _BOUNDARY.search(before):
        glued = _GLUED.match(name) or (_JOINED.match(name) if after_name else None)
        follows = _PLACED.get(name[0])
        if glued is None and follows and name[1] != "." and follows.match(after):
            return f"{name[0]} {lifted.lift('file', name[1:])}"
    if glued:
        return f"{glued[0]} {lifted.lift('file', name[glued.end() :])}"
    return lifted.lift("file", name)


def clauses(lifted: Lifted) -> Sequence[str]:
    """The parts of a task that are to be done one after the other."""
    found: list[str] = []
    for strong in _STRONG.split(lifted.text):
        for each in _WEAK.split(strong):
            clause = each.strip(" \t,，.。!！?？:：")
            while opening := _OPENING.match(clause):
                clause = clause[opening.end() :]
            if clause:
                found.append(clause)
    return found


def language_of(lifted: Lifted) -> Language:
    """The language of a task; names do not count unless there is nothing else."""
    words = _MARK.sub(" ", lifted.text)
    if not re.search(r"[A-Za-z\u4e00-\u9fff]", words):
        words = lifted.value(lifted.text)
    return "zh" if re.search(r"[\u4e00-\u9fff]", words) else "en"
