"""How the offline client words its plans, its refusals and its summaries."""

from __future__ import annotations

from collections.abc import Mapping

from .words import Language

__all__ = ["DISCLAIMER", "NO_OTHER_PLAN", "NO_TEXT", "REFUSALS", "STEP_NAMES", "say"]

STEP_NAMES: Mapping[str, Mapping[Language, str]] = {
    "file_read": {"en": "Read {0}", "zh": "读取 {0}"},
    "csv_parse": {"en": "Parse {0}", "zh": "解析 {0}"},
    "json_parse": {"en": "Parse {0}", "zh": "解析 {0}"},
    "table_describe": {"en": "Describe {0}", "zh": "分析 {0}"},
    "text_search": {"en": "Find “{0}” in {1}", "zh": "在 {1} 中查找“{0}”"},
    "file_write": {"en": "Save {0}", "zh": "保存 {0}"},
    "file_list": {"en": "List the files in {0}", "zh": "列出 {0} 中的文件"},
    "math_evaluate": {"en": "Calculate {0}", "zh": "计算 {0}"},
    "wait": {"en": "Wait {0} s", "zh": "等待 {0} 秒"},
    "json_stringify": {"en": "Write {0} as JSON", "zh": "将 {0} 写成 JSON"},
    "text_extract": {"en": "Take {0} out of {1}", "zh": "从 {1} 提取{0}"},
    "text_replace": {"en": "Replace “{0}” by “{1}” in {2}", "zh": "在 {2} 中把“{0}”替换为“{1}”"},
    "datetime_format": {"en": "Tell the time ({0})", "zh": "查询时间（{0}）"},
    "web_fetch": {"en": "Fetch {0}", "zh": "获取 {0}"},
}
"""What a step is called, by its tool."""

REFUSALS: Mapping[str, Mapping[Language, str]] = {
    "unknown": {
        "en": "The offline client follows fixed rules and cannot map “{0}” onto tools. It "
        "understands: “analyse sales.csv and save a report”, “read notes.txt”, “find 'error' "
        "in log.txt”, “replace 'a' with 'b' in notes.txt”, “extract emails from notes.txt”, "
        "“list files”, “what is 3*(4+5)”, “what time is it in Tokyo”, “wait 10 seconds”, and "
        "several of them joined with “then”. Choose a language model for anything else.",
        "zh": "离线客户端只按固定规则工作，无法理解“{0}”。它能理解：“分析 sales.csv 并保存报告”、"
        "“读取 notes.txt”、“在 log.txt 中查找 error”、“把 notes.txt 中的 a 替换为 b”、"
        "“提取 notes.txt 中的邮箱”、“列出文件”、“计算 3*(4+5)”、“东京现在几点”、“等待10秒”，"
        "以及用“然后”连接的多个任务。其他任务请选用语言模型。",
    },
    "empty": {
        "en": "The task is empty. Try “analyse sales.csv” or “what is 3*(4+5)”.",
        "zh": "任务为空。可以试试“分析 sales.csv”或“计算 3*(4+5)”。",
    },
    "long": {
        "en": "The offline client takes tasks of at most {0} characters; this one has {1}.",
        "zh": "离线客户端的任务最多 {0} 个字符，而这个任务有 {1} 个。",
    },
    "no_tool": {
        "en": "“{1}” needs the tool {0}, which this agent does not have.",
        "zh": "“{1}”需要工具 {0}，但此代理没有这个工具。",
    },
    "duration": {
        "en": "“{0}” does not say how long to wait; try “wait 10 seconds” or “wait 2 minutes”.",
        "zh": "“{0}”没有说明等待多久；可以试试“等待10秒”或“等待2分钟”。",
    },
    "too_long": {
        "en": "“{0}” is longer than the {1} seconds that can be waited at once.",
        "zh": "“{0}”超过了一次最多可以等待的 {1} 秒。",
    },
    "zone": {
        "en": "“{0}” names no place whose time is known; try “what time is it in Tokyo”.",
        "zh": "“{0}”没有指明已知的地点；可以试试“东京现在几点”。",
    },
    "nothing_to_save": {
        "en": "“{0}” comes without anything to save; analyse a file first, as in “analyse "
        "sales.csv and save a report”.",
        "zh": "“{0}”之前没有可保存的内容；请先分析文件，例如“分析 sales.csv 并保存报告”。",
    },
    "same_file": {
        "en": "The report would overwrite {0}, the file it is about; name another file.",
        "zh": "报告会覆盖被分析的文件 {0}；请换一个文件名。",
    },
    "braces": {
        "en": "The offline client takes no task with “{{{{” in it: that begins a reference in a "
        "plan.",
        "zh": "离线客户端不接受含有“{{{{”的任务：它在计划中表示引用。",
    },
}
"""Why there is no plan, each one helpful sentence."""

DISCLAIMER: Mapping[Language, str] = {
    "en": "(Worded by fixed rules; no language model was asked.)",
    "zh": "（由固定规则生成，未使用语言模型。）",
}
"""What every summary ends with."""

NO_TEXT = (
    "This is the offline client: it follows fixed rules, is no language model, and cannot "
    "write free text. Choose a language model for that, “openai” for example."
)
"""The answer to a request for free text."""

NO_OTHER_PLAN = "the offline client follows fixed rules: it has no other plan than its first"
"""Why it does not plan anew."""


def say(
    words: Mapping[str, Mapping[Language, str]], key: str, language: Language, *args: object
) -> str:
    """One of the sentences, filled in; long pieces are shortened."""
    pieces = [str(each) for each in args]
    short = [each if len(each) <= 80 else f"{each[:80]}…" for each in pieces]
    return words[key][language].format(*short)
