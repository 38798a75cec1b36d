"""The rules: what a clause of a task says, and which steps do it.

Each rule looks at one clause, with marks for what is named in it (see `words`), and
either adds steps or says that the clause is none of its. The first that takes it wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from ...agent.tools import MAX_WAIT
from .amounts import expression_in, seconds_in
from .asks import count, extract, replace, rewrite, tell_time
from .plan import PlanBuilder, Reportable, beside
from .words import FILE, QUOTE, URL, Lifted

__all__ = ["RULES"]

_TABLES = frozenset({"csv", "tsv", "tab"})
_MAX_QUERY = 1000


_PIECES = {
    "FILE": f"(?:{FILE})",
    "QUOTE": f"(?:{QUOTE})",
    "URL": f"(?:{URL})",
    "EN": r"(?:find|search(?:\s+for)?|look\s+for|grep|locate|count)",
    "ZH": r"(?:查找|搜索|寻找|找出|找到|检索|搜|找|查)(?:一下|所有|含有|包含|出)*",
    "IN": r"(?:文件)?(?:中|里面|里|内)",
}


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern in which words of capitals stand for `_PIECES`."""
    pieces = re.sub(r"\b(?:FILE|QUOTE|URL|EN|ZH|IN)\b", lambda found: _PIECES[found[0]], text)
    return re.compile(pieces, re.IGNORECASE)


_FETCH = _pattern(
    r"^(?:(?:fetch|open|get|read|download|load|show|visit|analy[sz]e|summari[sz]e|访问|打开|抓取"
    r"|获取|下载|读取|查看|分析|总结)(?![A-Za-z]).*)?\s*(?:URL)"
)
_WAIT = _pattern(
    r"^(?:wait|sleep|pause|delay|after|in|等待|等一?下?|暂停|休眠|延迟|延时|过)(?![A-Za-z])\s*(?P<time>.*)$"
)
_SEARCHES = [
    _pattern(each)
    for each in (
        r"^(?:in|from)\s+(?:the\s+)?(?:file\s+)?(?P<file>FILE)\s*,?\s*EN\s+(?P<query>.+)$",
        r"^search\s+(?:in\s+|through\s+)?(?:the\s+)?(?:file\s+)?(?P<file>FILE)\s+for\s+(?P<query>.+)$",
        r"^grep\s+(?P<query>.+?)\s+(?:in\s+)?(?P<file>FILE)$",
        r"^EN\s+(?P<query>.+?)\s+(?:in|inside|within|from)\s+(?:the\s+)?(?:file\s+)?(?P<file>FILE)$",
        r"^(?:在|从)?\s*(?:文件)?\s*(?P<file>FILE)\s*IN?\s*ZH\s*(?P<query>.+)$",
        r"^ZH\s*(?:文件)?\s*(?P<file>FILE)\s*IN\s*的?(?P<query>.+)$",
        r"^ZH\s*(?P<query>.+?)\s*在\s*(?P<file>FILE)\s*IN?$",
    )
]
_QUERY_FILLER = re.compile(
    r"^(?:(?:the\s+)?(?:word|text|string|phrase|term|lines?\s+(?:with|containing)|occurrences\s+of"
    r"|all|every)\b\s*)+|(?:的行|一词|这个词|字样)$",
    re.IGNORECASE,
)
_LIST = _pattern(
    r"^(?:ls|dir)\b|^(?:list|show|what)\b.*\b(?:files?|folders?|director(?:y|ies)|contents?)\b"
    r"|^(?:列出|列一下|显示|查看|看看|有哪些|有什么).*(?:文件|目录)|(?:目录|文件夹).*(?:有哪些|有什么)"
    r"|^列出"
)
_LIST_FOLDER = _pattern(
    r"(?:\b(?:in|of|from|under|inside|ls|dir)\s+(?:the\s+)?(?:(?:folder|directory)\s+)?"
    r"(?P<en>QUOTE|[\w./-]+)(?:\s+(?:folder|directory))?\s*$)"
    r"|(?:(?:列出|列一下|显示|查看|看看|在)?\s*(?P<zh>QUOTE|[A-Za-z0-9_./-]++|[^\s列出显示查看的]{1,100}?)\s*"
    r"(?:目录|文件夹))"
)
_HERE = frozenset(
    {"this", "the", "current", "here", "it", "there", "当前", "本", "这个", "该", "此"}
)
_LIST_KIND = re.compile(
    r"(?:\*\.)?(?<![A-Za-z])(?P<kind>csv|tsv|json|txt|md|log|py|html|xml)\s*(?:files?|文件)|(?P<glob>\*\.\w+)",
    re.IGNORECASE,
)
_SAVE_TEXT = _pattern(
    r"^(?:save|write|put|store|把|将|保存|写入)?\s*(?P<text>QUOTE)\s*"
    r"(?:to|into|in|as|保存到|保存为|写入|写到|存到|存为|到|为)\s*(?:文件)?\s*(?P<file>FILE)$"
)
_SAVE = _pattern(
    r"^(?:save|store|export|write|put)\b|^(?:把|将)?(?:报告|结果|它|其)?(?:另存|保存|存|写|导出|输出)"
)
_CREATIVE = re.compile(
    r"(?:write|写|输出)(?![A-Za-z])(?!.*(?:\breport|\bit\b|\bresult|报告|结果|它))", re.IGNORECASE
)
_REPORT = _pattern(
    r"^(?:create|make|generate|produce)\s+(?:an?\s+|the\s+)?(?:\w+\s+)?report\b|^生成"
)
_SUM_UP = re.compile(
    r"(?:summari[sz]e|sum\s+up)(?:\s+(?:it|them|that|the\s+(?:page|results?|findings)))?$"
    r"|(?:并)?(?:总结|概括)(?:一下)?(?:它|内容|结果)?$",
    re.IGNORECASE,
)
_OTHER_DEEDS = _pattern(
    r"^(?:delete|remove|e?mail|send|translate|rename|move|copy|upload|post|rewrite|edit|fix|convert"
    r"|删除|发送|发给|翻译|重命名|移动|复制|上传|修改|修复|转换)"
)
_READ_NAMED = _pattern(
    r"^(?:read|show|open|print|display|view|cat|读取|读|打开|查看|显示)\s*"
    r"(?:(?:(?:the\s+)?file\s+|文件\s*)(?P<any>QUOTE|[\w./-]+)|(?P<path>QUOTE|[\w.-]*/[\w./-]+))$"
)
_READ = _pattern(
    r"\b(?:read|show|open|print|display|view|cat|load)\b|读取|读|打开|查看|显示|看看|看一下"
)
_ANALYSE = _pattern(
    r"\b(?:analy[sz]\w*|analysis|descri\w+|summar\w+|statistics|stats|profile|process|inspect"
    r"|examine|explore|report|overview|average|mean|minimum|maximum|total|what(?:'s|\s+is)\s+in)\b"
    r"|分析|描述|统计|总结|汇总|概括|概述|概览|处理|报告|平均|最大|最小|合计|总和|总计"
)
_ONLY_FILES = _pattern(r"^(?:(?:FILE)[\s,，、和与及]*(?:and\s+)?)+$")
_TARGET = _pattern(
    r"\b(?:to|into|as|in)\s+(?:the\s+)?(?:file\s+)?(?P<en>FILE)|(?:[到为至入]|(?<!生)成)\s*(?:文件)?\s*(?P<zh>FILE)"
)


def _fetch(clause: str, lifted: Lifted, plan: PlanBuilder) -> bool:
    if not _FETCH.search(clause):
        return False
    for url in lifted.values(URL, clause):
        step = plan.add("web_fetch", {"url": url}, named=[url], retries=2)
        text = "{{" + step + ".output.text}}"
        plan.reportable = [Reportable(step, text, "page.txt")]
    return True


def _wait(clause: str, lifted: Lifted, plan: PlanBuilder) -> bool:
    said = _WAIT.match(clause)
    seconds = seconds_in(said["time"] if said else clause, unit_needed=not said)
    if seconds is None:
        if said and re.match(r"(?:wait|sleep|等待|暂停|休眠)", clause, re.IGNORECASE):
            raise plan.refuse("duration", lifted.value(clause))
        return False
    if seconds > MAX_WAIT:
        raise plan.refuse("too_long", lifted.value(clause), f"{MAX_WAIT:g}")
    plan.add("wait", {"seconds": seconds}, named=[f"{seconds:g}"], timeout=seconds + 30)
    return True


def _search(clause: str, lifted: Lifted, plan: PlanBuilder) -> bool:
    for pattern in _SEARCHES:
        said = pattern.match(clause)
        if said:
            break
    else:
        return False
    query = lifted.value(_QUERY_FILLER.sub("", said["query"].strip(" ,，:：")).strip())
    path = lifted.value(said["file"])
    if not query or len(query) > _MAX_QUERY:
        return False
    read = plan.read(path)
    step = plan.add(
        "text_search",
        {"text": "{{" + read + ".output.text}}", "query": query},
        named=[query, path],
        after=[read],
    )
    plan.reportable = [
        Reportable(step, "{{" + step + ".output.report}}", beside(path, "_matches.txt"), path)
    ]
    return True


def _list(clause: str, lifted: Lifted, plan: PlanBuilder) -> bool:
    if not _LIST.search(clause) or re.search(FILE, clause):
        return False
    arguments: dict[str, str] = {}
    place = _LIST_FOLDER.search(clause)
    folder = lifted.value(place["en"] or place["zh"]) if place else "."
    arguments["directory"] = "." if folder.lower() in _HERE else folder
    kind = _LIST_KIND.search(clause)
    if kind:
        arguments["pattern"] = kind["glob"] or f"*.{kind['kind'].lower()}"
    step = plan.add("file_list", arguments, named=[arguments["directory"]])
    plan.reportable = [Reportable(step, "{{" + step + ".output.report}}", "files.txt")]
    return True


def _sum_up(clause: str, lifted: Lifted, plan: PlanBuilder) -> bool:
    """What every task ends with: no step of its own."""
    return bool(plan.reportable and _SUM_UP.match(clause))


def _save(clause: str, lifted: Lifted, plan: PlanBuilder) -> bool:
    literal = _SAVE_TEXT.match(clause)
    if literal:
        path, text = lifted.value(literal["file"]), lifted.value(literal["text"])
        plan.write(path, text, ())
        return True
    made = _REPORT.match(clause)
    if _SAVE.match(clause) is None and made is None:
        return False
    files = lifted.values(FILE, clause)
    if not files and not plan.reportable and _CREATIVE.match(clause):
        return False
    about = _ANALYSE.search(clause) and len(files) > len(_targets(clause, lifted))
    if about:  # "write a report on sales.csv", "create a report on sales.csv (to out.md)"
        return _analyse_files(clause, lifted, plan, save=made is None)
    _save_reports(files[-1] if files else None, plan, lifted.value(clause))
    return True


def _files(clause: str, lifted: Lifted, plan: PlanBuilder) -> bool:
    named = _READ_NAMED.match(clause)
    files = lifted.values(FILE, clause)
    if named:
        files = [lifted.value(named["any"] or named["path"])]
    elif not files or _OTHER_DEEDS.match(clause):
        return False
    elif _ANALYSE.search(clause) or _ONLY_FILES.match(clause):
        return _analyse_files(clause, lifted, plan, save=False)
    elif not _READ.search(clause):
        return False
    plan.reportable = [_read_report(path, plan, whole=True) for path in files]
    return True


def _calculate(clause: str, lifted: Lifted, plan: PlanBuilder) -> bool:
    expression = expression_in(lifted.value(clause))
    if expression is None:
        return False
    step = plan.add("math_evaluate", {"expression": expression}, named=[expression], timeout=10)
    text = f"{expression} = {{{{{step}.output.text}}}}\n"
    plan.reportable = [Reportable(step, text, "result.txt")]
    return True


RULES: Sequence[Callable[[str, Lifted, PlanBuilder], bool]] = (
    _fetch,
    _wait,
    tell_time,
    replace,
    extract,
    count,
    rewrite,
    _search,
    _list,
    _sum_up,
    _save,
    _files,
    _calculate,
)
"""In the order in which they are asked."""


def _targets(clause: str, lifted: Lifted) -> Sequence[str]:
    return [lifted.value(found["en"] or found["zh"]) for found in _TARGET.finditer(clause)]


def _analyse_files(clause: str, lifted: Lifted, plan: PlanBuilder, *, save: bool) -> bool:
    files = list(lifted.values(FILE, clause))
    targets = _targets(clause, lifted)
    target = targets[-1] if targets and len(files) > 1 and files[-1] == targets[-1] else None
    if target is not None:
        files.pop()
    plan.reportable = [_analysis(path, plan) for path in dict.fromkeys(files)]
    if save or target is not None:
        _save_reports(target, plan, lifted.value(clause))
    return True


def _analysis(path: str, plan: PlanBuilder) -> Reportable:
    kind = path.rpartition(".")[2].lower()
    if kind not in _TABLES and kind != "json":
        return _read_report(path, plan, whole=False)
    read = plan.read(path)
    parser = "json_parse" if kind == "json" else "csv_parse"
    text = "{{" + read + ".output.text}}"
    parsed = plan.add(parser, {"text": text}, named=[path], after=[read], timeout=120)
    described = plan.add(
        "table_describe",
        {
            "table": "{{" + parsed + ".output}}",
            "title": PurePosixPath(path).name,
            "language": plan.language,
        },
        named=[path],
        after=[parsed],
        timeout=120,
    )
    text = "{{" + described + ".output.report}}"
    return Reportable(described, text, beside(path, "_report.md"), path)


def _read_report(path: str, plan: PlanBuilder, *, whole: bool) -> Reportable:
    step = plan.read(path)
    output = "{{" + step + ".output."
    if whole:
        return Reportable(step, output + "text}}", beside(path, "_copy.txt"), path)
    lines, size = ("行", "字节") if plan.language == "zh" else ("lines", "bytes")
    text = f"# {path}\n\n{output}lines}}}} {lines}, {output}bytes}}}} {size}\n"
    return Reportable(step, text, beside(path, "_report.md"), path)


def _save_reports(target: str | None, plan: PlanBuilder, clause: str) -> None:
    reports = plan.reportable
    if not reports:
        raise plan.refuse("nothing_to_save", clause)
    if target is not None:
        text = "\n".join(each.text for each in reports)
        if not plan.is_written(text, target):
            plan.write_elsewhere()
            _refuse_overwriting(target, reports, plan)
            plan.write(target, text, [each.step_id for each in reports])
    else:
        for each in reports:
            if not plan.is_written(each.text):
                plan.write(each.path, each.text, [each.step_id])


def _refuse_overwriting(target: str, reports: Sequence[Reportable], plan: PlanBuilder) -> None:
    for each in reports:
        if each.source and PurePosixPath(each.source) == PurePosixPath(target):
            raise plan.refuse("same_file", target)
