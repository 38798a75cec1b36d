"""What is asked of texts in files: replacing, extracting, counting, writing as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from ..plan import PlanBuilder, Reportable, beside
from ..words import FILE, Lifted

__all__ = ["count", "extract", "replace", "rewrite"]

_MAX_CHARS = 1000


def _patterns(*patterns: str) -> Sequence[re.Pattern[str]]:
    """Patterns in which FILE stands for a file's mark, and IN for what follows it in Chinese."""
    pieces = {"FILE": f"(?P<file>{FILE})", "IN": r"(?:文件)?(?:中|里面|里|内)"}
    return [
        re.compile(re.sub(r"\b(?:FILE|IN)\b", lambda found: pieces[found[0]], each), re.IGNORECASE)
        for each in patterns
    ]


_REPLACE = _patterns(
    r"^(?:replace|substitute|change)\s+(?:all\s+|every\s+|the\s+(?:word|text)\s+)?(?P<old>.+?)\s+"
    r"(?:with|by|to)\s+(?P<new>.+?)\s+in\s+(?:the\s+)?(?:file\s+)?FILE$",
    r"^in\s+(?:the\s+)?(?:file\s+)?FILE\s*,?\s*(?:replace|change)\s+(?P<old>.+?)\s+"
    r"(?:with|by|to)\s+(?P<new>.+)$",
    r"^(?:把|将|在)?\s*(?:文件)?\s*FILE\s*(?:IN)的?\s*(?:所有的?)?(?:把|将)?\s*(?P<old>.+?)\s*"
    r"(?:全部|都)?(?:替换|换|改)(?:为|成)\s*(?P<new>.+)$",
)
_KINDS: Mapping[str, tuple[str, str, str]] = {
    "email": (r"e-?mails?(?:\s+addresses)?", "(?:电子)?(?:邮件|邮箱)(?:地址)?",
              r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "link": (r"(?:urls?|links?|web\s+addresses)", "网址|链接", r"https?://[^\s\"'<>，。；、）」”]+"),
    "phone": (r"(?:tele)?phone\s+numbers?", "电话(?:号码)?|手机号码?",
              r"\+?\d(?:[ ()-]?\d){6,14}"),
    "ip": (r"ip(?:\s+address(?:es)?|s)", "ip\\s*地址", r"\b(?:\d{1,3}\.){3}\d{1,3}\b"),
    "date": (r"dates?", "日期", r"\b\d{4}-\d{2}-\d{2}\b|\d{4}年\d{1,2}月\d{1,2}日"),
    "number": (r"numbers?", "数字", r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\w-])"),
}  # fmt: skip
"""What can be taken out of a text: how it is called in the two languages, and its pattern."""

_EN = "|".join(f"(?P<{kind}>{en})" for kind, (en, _, _) in _KINDS.items())
_ZH = "|".join(f"(?P<{kind}>{zh})" for kind, (_, zh, _) in _KINDS.items())
_EXTRACT = _patterns(
    r"^(?:extract|collect|pull\s+out|get|list|find)\s+(?:all\s+|every\s+|the\s+|any\s+)*"
    rf"(?:{_EN})\s+(?:from|in|out\s+of|of)\s+(?:the\s+)?(?:file\s+)?FILE$",
    rf"^(?:从|在)?\s*(?:文件)?\s*FILE\s*(?:IN)?(?:提取|抽取|找出|列出)(?:出)?(?:所有|全部)?的?(?:{_ZH})$",
    rf"^(?:提取|抽取|找出|列出)\s*(?:文件)?\s*FILE\s*(?:IN)?的?(?:所有|全部)?的?(?:{_ZH})$",
)
_COUNT = _patterns(
    r"^(?:count|how\s+many)\s+(?:the\s+)?(?:number\s+of\s+)?(?:(?P<words>words)|(?P<lines>lines))"
    r"(?:\s+(?:are\s+)?(?:there\s+)?)?\s*(?:are\s+)?(?:in|of)\s+(?:the\s+)?(?:file\s+)?FILE$",
    r"^(?:统计|数一下|计算)?(?:一下)?\s*(?:文件)?\s*FILE\s*(?:IN)?的?(?:(?P<words>字数|词数|单词数)"
    r"|(?P<lines>行数))$",
    r"^(?:文件)?\s*FILE\s*(?:IN)?一?共?有(?:多少|几)个?(?:(?P<words>字|词|单词)|(?P<lines>行))$",
)
_WORD = r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+(?:['’-][^\W\u4e00-\u9fff]+)*"
"""A Chinese character, or a word of letters."""

_TO_JSON = _patterns(
    r"^(?:convert|turn|transform)\s+(?:the\s+)?(?:file\s+)?FILE\s+(?:in)?to\s+(?:a\s+)?"
    rf"(?:json(?:\s+file)?|(?P<target>{FILE}))$",
    rf"^(?:把|将)?\s*(?:文件)?\s*FILE\s*(?:转换|转)(?:为|成)?\s*(?:json(?:格式|文件)?|(?P<target>{FILE}))$",
    rf"^(?:转换)\s*FILE\s*(?:为|成|到)\s*(?:json(?:格式|文件)?|(?P<target>{FILE}))$",
)
_PRETTY = _patterns(
    r"^(?:format|pretty-?\s?print)\s+(?:the\s+)?(?:file\s+)?FILE$", r"^格式化\s*FILE$"
)


def _first(patterns: Sequence[re.Pattern[str]], clause: str) -> re.Match[str] | None:
    return next((said for each in patterns if (said := each.match(clause))), None)


def replace(clause: str, lifted: Lifted, plan: PlanBuilder) -> bool:
    """“replace 'a' with 'b' in notes.txt”: it is written back, after asking."""
    said = _first(_REPLACE, clause)
    if said is None:
        return False
    old, new, path = (lifted.value(said[each]).strip() for each in ("old", "new", "file"))
    if not old or len(old) > _MAX_CHARS:
        return False
    read = plan.read(path)
    step = plan.add(
        "text_replace",
        {"text": "{{" + read + ".output.text}}", "find": old, "replacement": new},
        named=[old, new, path],
        after=[read],
    )
    _write_back(path, path, "{{" + step + ".output.text}}", step, plan)
    return True


def extract(clause: str, lifted: Lifted, plan: PlanBuilder) -> bool:
    """“extract emails from notes.txt”."""
    said = _first(_EXTRACT, clause)
    if said is None:
        return False
    kind = next(each for each in _KINDS if said[each] is not None)
    _taken(lifted.value(said["file"]), _KINDS[kind][2], said[kind], f"_{kind}s.txt", plan)
    return True


def count(clause: str, lifted: Lifted, plan: PlanBuilder) -> bool:
    """“count the words in notes.txt”."""
    said = _first(_COUNT, clause)
    if said is None:
        return False
    path = lifted.value(said["file"])
    if said["lines"]:
        step = plan.read(path)
        plan.reportable = [
            Reportable(step, "{{" + step + ".output.lines}}\n", beside(path, "_lines.txt"), path)
        ]
    else:
        _taken(path, _WORD, said["words"], "_words.txt", plan, unique=False)
    return True


def rewrite(clause: str, lifted: Lifted, plan: PlanBuilder) -> bool:
    """“convert sales.csv to JSON”, “format data.json”."""
    pretty = _first(_PRETTY, clause)
    said = pretty or _first(_TO_JSON, clause)
    if said is None:
        return False
    path = lifted.value(said["file"])
    target = path if pretty else lifted.value(said["target"] or "") or beside(path, ".json")
    kind = PurePosixPath(path).suffix.lower()
    parser = {".csv": "csv_parse", ".tsv": "csv_parse", ".json": "json_parse"}.get(kind)
    if parser is None or (pretty and parser != "json_parse") or not target.endswith(".json"):
        return False
    read = plan.read(path)
    parsed = plan.add(
        parser,
        {"text": "{{" + read + ".output.text}}"},
        named=[path],
        after=[read],
        timeout=120,
    )
    value = ".output.rows}}" if parser == "csv_parse" else ".output}}"
    step = plan.add(
        "json_stringify",
        {"value": "{{" + parsed + value},
        named=[path],
        after=[parsed],
        timeout=120,
    )
    _write_back(path, target, "{{" + step + ".output.text}}", step, plan)
    return True


def _taken(
    path: str, pattern: str, what: str, ending: str, plan: PlanBuilder, *, unique: bool = True
) -> None:
    read = plan.read(path)
    step = plan.add(
        "text_extract",
        {"text": "{{" + read + ".output.text}}", "pattern": pattern, "unique": unique},
        named=[what, path],
        after=[read],
    )
    text = ".output.report}}" if unique else ".output.count}}\n"
    plan.reportable = [Reportable(step, "{{" + step + text, beside(path, ending), path)]


def _write_back(path: str, target: str, text: str, step: str, plan: PlanBuilder) -> None:
    plan.in_place = plan.write(target, text, [step])
    plan.reportable = [Reportable(step, text, target, None if target != path else path)]
