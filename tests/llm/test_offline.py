"""The offline client maps simple tasks onto tools, in two languages, and says what it cannot."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import little_effort
from trio_agent_rt.agent import ChatMessage, LLMRequest, ToolSet, ToolStep, parse_plan
from trio_agent_rt.agent.planning.language import Scope, resolve
from trio_agent_rt.agent.tools import default_tools
from trio_agent_rt.errors import LLMError
from trio_agent_rt.llm import OfflineClient
from trio_agent_rt.protocol import ToolInfo

TOOLS = ToolSet(default_tools())


async def plan(task: str, *, tools: Collection[ToolInfo] = TOOLS.infos()) -> dict[str, Any]:
    """The plan that the client makes of a task."""
    request = LLMRequest(
        messages=[
            ChatMessage(role="system", content="Make a plan."),
            ChatMessage(role="user", content="an earlier task"),
            ChatMessage(role="assistant", content="done"),
            ChatMessage(role="user", content=task),
        ],
        purpose="plan",
        tools=tuple(tools),
    )
    async with OfflineClient() as client:
        return json.loads((await client.complete(request)).text)


async def told(task: str, **options: Any) -> str:
    """A plan in short: `tool(arguments)`, references as `<1>`, joined with `; `."""
    steps = (await plan(task, **options))["steps"]
    short: list[str] = []
    for step in steps:
        arguments = [
            f"{name}={value}"
            for name, value in step["arguments"].items()
            if name not in ("title", "language", "table") and "{{" not in str(value)
        ]
        after = ",".join(each.removeprefix("step_") for each in step["dependsOn"])
        short.append(
            f"{step['tool']}({', '.join(arguments)})" + (f" after {after}" if after else "")
        )
    return "; ".join(short)


def analysis(path: str, first: int = 1, after: str = "", parser: str = "csv_parse") -> str:
    """How `told` tells the analysis of one file."""
    read, described = f"file_read(path={path}){after}", f"table_describe() after {first + 1}"
    return f"{read}; {parser}() after {first}; {described}"


def saved(path: str, report: str, after: int = 3) -> str:
    return f"{report}; file_write(path={path}) after {after}"


def found(query: str, path: str) -> str:
    return f"file_read(path={path}); text_search(query={query}) after 1"


TASKS = {
    # a table
    "analyse sales.csv": analysis("sales.csv"),
    "Please analyze sales.csv.": analysis("sales.csv"),
    "describe data/2024/sales.csv": analysis("data/2024/sales.csv"),
    'summarise "my sales.csv"': analysis("my sales.csv"),
    "sales.tsv": analysis("sales.tsv"),
    "What is the average price in sales.csv?": analysis("sales.csv"),
    "analyse 销售.csv": analysis("销售.csv"),
    "分析 sales.csv": analysis("sales.csv"),
    "分析销售.csv": analysis("销售.csv"),
    "请帮我分析一下 数据/销售.csv": analysis("数据/销售.csv"),
    "对销售.csv进行分析": analysis("销售.csv"),
    "对账单.csv": analysis("对账单.csv"),
    "分析 在线.csv": analysis("在线.csv"),
    "把 sales.csv 分析一下": analysis("sales.csv"),
    "生成 sales.csv 的分析报告": analysis("sales.csv"),
    "analyse data.json": analysis("data.json", parser="json_parse"),
    "分析 data.json": analysis("data.json", parser="json_parse"),
    r"analyse C:\data\sales.csv": analysis(r"C:\data\sales.csv"),
    "analyse a.csv and b.csv": f"{analysis('a.csv')}; "
    "file_read(path=b.csv); csv_parse() after 4; table_describe() after 5",
    "分析a.csv和b.csv": f"{analysis('a.csv')}; "
    "file_read(path=b.csv); csv_parse() after 4; table_describe() after 5",
    # and a report
    "analyse sales.csv and save a report": saved("sales_report.md", analysis("sales.csv")),
    "analyse data/sales.csv, save a report": saved(
        "data/sales_report.md", analysis("data/sales.csv")
    ),
    "analyse sales.csv to out.md": saved("out.md", analysis("sales.csv")),
    "analyse sales.csv, then save the report as out/my.md": saved(
        "out/my.md", analysis("sales.csv")
    ),
    "write a report on sales.csv": saved("sales_report.md", analysis("sales.csv")),
    "create a report on sales.csv and save it to out.md": saved("out.md", analysis("sales.csv")),
    "分析 sales.csv 并保存报告": saved("sales_report.md", analysis("sales.csv")),
    "分析销售.csv并保存报告到out.md": saved("out.md", analysis("销售.csv")),
    "分析 销售.csv，然后把报告保存到 结果.md": saved("结果.md", analysis("销售.csv")),
    "分析“我的 销售.csv”，并将报告保存为“我的 报告.md”": saved(
        "我的 报告.md", analysis("我的 销售.csv")
    ),
    "生成一份 sales.csv 的报告并保存": saved("sales_report.md", analysis("sales.csv")),
    # text
    "read notes.txt": "file_read(path=notes.txt)",
    "summarize notes.txt": "file_read(path=notes.txt)",
    "读取 说明.md": "file_read(path=说明.md)",
    "read the file Makefile": "file_read(path=Makefile)",
    "analyse archive.tar.gz": "file_read(path=archive.tar.gz)",
    "find 'error' in log.txt": found("error", "log.txt"),
    "find time out in logs/app.log": found("time out", "logs/app.log"),
    "search log.txt for “connection refused”": found("connection refused", "log.txt"),
    "grep ERROR log.txt": found("ERROR", "log.txt"),
    "find 'a.b then c' in log.txt": found("a.b then c", "log.txt"),
    "在 log.txt 中查找 error": found("error", "log.txt"),
    "在日志.txt中搜索“错误”": found("错误", "日志.txt"),
    "查找 log.txt 中的 error": found("error", "log.txt"),
    'write "hello, world" to note.txt': "file_write(path=note.txt, text=hello, world)",
    "把“你好”写入 note.txt": "file_write(path=note.txt, text=你好)",
    # files
    "list files": "file_list(directory=.)",
    "list the csv files in data": "file_list(directory=data, pattern=*.csv)",
    "show files in 'my data'": "file_list(directory=my data)",
    "列出文件": "file_list(directory=.)",
    "列出 data 目录下的文件": "file_list(directory=data)",
    "列出所有csv文件": "file_list(directory=., pattern=*.csv)",
    # waiting
    "wait 10 seconds": "wait(seconds=10)",
    "Wait for 2.5 minutes.": "wait(seconds=150)",
    "sleep 3s": "wait(seconds=3)",
    "wait 1 minute and 30 seconds": "wait(seconds=90)",
    "wait half a minute": "wait(seconds=30)",
    "wait an hour": "wait(seconds=3600)",
    "wait 0.25": "wait(seconds=0.25)",
    "等待10秒": "wait(seconds=10)",
    "等待十秒": "wait(seconds=10)",
    "等两分钟": "wait(seconds=120)",
    "等待 1.5 分钟": "wait(seconds=90)",
    "暂停一百零五秒": "wait(seconds=105)",
    "等待半小时": "wait(seconds=1800)",
    # arithmetic
    "what is 3*(4+5)": "math_evaluate(expression=3*(4+5))",
    "What's 2^10?": "math_evaluate(expression=2^10)",
    "3 × 4": "math_evaluate(expression=3 × 4)",
    "max(1, sqrt(2))": "math_evaluate(expression=max(1, sqrt(2)))",
    "calculate 7 plus 8": "math_evaluate(expression=7 + 8)",
    "15% of 200": "math_evaluate(expression=15/100*200)",
    "计算 3*(4+5)": "math_evaluate(expression=3*(4+5))",
    "（3＋4）÷2 等于多少？": "math_evaluate(expression=（3＋4）÷2)",
    # several
    "wait 3 seconds, then analyse sales.csv": (
        f"wait(seconds=3); {analysis('sales.csv', 2, ' after 1')}"
    ),
    "等待3秒，然后计算 1+1": "wait(seconds=3); math_evaluate(expression=1+1) after 1",
    "10秒后计算 1+1": "wait(seconds=10); math_evaluate(expression=1+1) after 1",
    "Wait 1 second. Wait 2 seconds and then wait 3 seconds": (
        "wait(seconds=1); wait(seconds=2) after 1; wait(seconds=3) after 2"
    ),
    "what is 1+1 and save it to out.txt": (
        "math_evaluate(expression=1+1); file_write(path=out.txt) after 1"
    ),
}  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
async def test_a_task_becomes_this_plan(task: str) -> None:
    assert await told(task) == TASKS[task]


@pytest.mark.parametrize("task", TASKS)
async def test_a_plan_is_one_that_can_be_run(task: str) -> None:
    parse_plan(json.dumps(await plan(task)), TOOLS, max_steps=50)


async def test_a_step_says_all_that_the_executor_needs() -> None:
    *_, parse, describe, write = (await plan("分析 sales.csv 并保存报告"))["steps"]
    assert parse["arguments"] == {"text": "{{step_1.output.text}}"}
    assert describe["arguments"] == {
        "table": "{{step_2.output}}",
        "title": "sales.csv",
        "language": "zh",
    }
    assert write == {
        "id": "step_4",
        "name": "保存 sales_report.md",
        "description": "保存 sales_report.md",
        "type": "tool",
        "tool": "file_write",
        "arguments": {"path": "sales_report.md", "text": "{{step_3.output.report}}"},
        "dependsOn": ["step_3"],
        "needConfirmation": True,
        "timeout": 60,
        "retryable": False,
        "maxRetries": 0,
    }


async def test_a_wait_may_take_longer_than_it_waits() -> None:
    (step,) = (await plan("wait 10 minutes"))["steps"]
    assert step["timeout"] > 600


async def test_two_reports_are_saved_as_two_files_or_as_one() -> None:
    two = (await plan("analyse a.csv and b.csv and save a report"))["steps"][-2:]
    assert [each["arguments"]["path"] for each in two] == ["a_report.md", "b_report.md"]
    one = (await plan("analyse a.csv and b.csv and save a report to both.md"))["steps"][-1]
    assert one["arguments"]["text"] == "{{step_3.output.report}}\n{{step_6.output.report}}"
    assert one["dependsOn"] == ["step_3", "step_6"]


@pytest.mark.parametrize(
    "task",
    [
        "replace 'a' with 'b' in x.txt and save",
        "replace 'a' with 'b' in x.txt and save it",
        "replace 'a' with 'b' in x.txt, then save it to x.txt",
        "replace 'a' with 'b' in x.txt and save it to ./x.txt",
        "replace 'a' with 'b' in x.txt, wait 1 second and write it back",
        "把 x.txt 中的 a 替换为 b 并保存",
        "convert x.csv to JSON and save",
        "convert x.csv to JSON and save it to x.json",
        "format x.json and save it to x.json",
        "格式化 x.json 并保存",
        "analyse x.csv and save a report and save it",
        "create a report on x.csv to r.md and save it to r.md",
        "analyse x.csv and save it to r.md and save",
        "write 'a' to x.txt, write 'a' to x.txt",
    ],
)
async def test_what_is_saved_once_is_asked_about_and_written_once(task: str) -> None:
    steps = (await plan(task))["steps"]
    assert [each["tool"] for each in steps].count("file_write") == 1
    assert [each["needConfirmation"] for each in steps].count(True) == 1


@pytest.mark.parametrize(
    ("task", "paths"),
    [
        ("analyse a.csv and b.csv and save", ["a_report.md", "b_report.md"]),
        ("read a.txt and save it to b.txt, then save it to c.txt", ["b.txt", "c.txt"]),
        ("write 'a' to x.txt, write 'b' to x.txt, write 'a' to x.txt", ["x.txt"] * 3),
        ("replace 'a' with 'b' in x.txt, replace 'c' with 'd' in x.txt", ["x.txt"] * 2),
    ],
)
async def test_what_is_not_the_same_is_written_each_time(task: str, paths: list[str]) -> None:
    steps = (await plan(task))["steps"]
    written = [each["arguments"]["path"] for each in steps if each["tool"] == "file_write"]
    assert written == paths


async def test_an_address_is_fetched_if_there_is_a_tool_for_it() -> None:
    without = [each for each in TOOLS.infos() if each.name != "web_fetch"]
    for task in ("fetch https://example.com/a?b=1", "打开 https://example.com/a?b=1"):
        (step,) = (await plan(task))["steps"]
        assert (step["tool"], step["arguments"]) == (
            "web_fetch",
            {"url": "https://example.com/a?b=1"},
        )
        error = (await plan(task, tools=without))["error"]
        assert "needs the tool web_fetch" in error or "需要工具 web_fetch" in error


@pytest.mark.parametrize("missing", ["file_read", "csv_parse", "table_describe", "file_write"])
async def test_only_tools_of_the_request_are_used(missing: str) -> None:
    tools = [each for each in TOOLS.infos() if each.name != missing]
    error = (await plan("analyse sales.csv and save a report", tools=tools))["error"]
    assert f"needs the tool {missing}, which this agent does not have" in error


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("", "The task is empty"),
        ("  \n", "The task is empty"),
        ("book me a flight", "cannot map “book me a flight” onto tools"),
        ("帮我订机票", "无法理解“订机票”"),
        ("你好", "它能理解"),
        ("...", "cannot map"),
        ("what is the meaning of life", "cannot map"),
        ("delete sales.csv", "cannot map “delete sales.csv”"),
        ("删除 sales.csv", "无法理解"),
        ("analyse sales.csv and delete it", "cannot map “delete it”"),
        ("email the report on sales.csv to bob", "cannot map"),
        ("translate notes.txt", "cannot map"),
        ("analyse sales.csv and tell me a joke", "cannot map “tell me a joke”"),
        ("wait", "does not say how long to wait"),
        ("wait for Godot", "does not say how long to wait"),
        ("等待", "没有说明等待多久"),
        ("wait 2 hours", "longer than the 3600 seconds"),
        ("等待两小时", "超过了"),
        ("100", "cannot map"),
        ("save a report", "without anything to save"),
        ("保存报告", "没有可保存的内容"),
        ("wait 1 second and save a report", "without anything to save"),
        ("analyse sales.csv and save it to sales.csv", "would overwrite sales.csv"),
        ("read {{step_1.output}}.txt", "begins a reference"),
        ("x" * 2001, "at most 2000 characters; this one has 2001"),
    ],
)
async def test_what_cannot_be_planned_is_said_in_one_helpful_sentence(task: str, text: str) -> None:
    answer = await plan(task)
    assert list(answer) == ["error"]
    assert text in answer["error"]


async def test_the_same_task_always_gives_the_same_plan() -> None:
    assert await plan("analyse sales.csv") == await plan("analyse sales.csv")


_WORDS = st.sampled_from(
    ["analyse ", "分析", "sales.csv", " and ", "然后", "save", "保存", "wait", "10", "秒", "find ",
     "in", "'", "“", "”", '"', "report", "中", "，", ".", "3*4", "(", "http://", "\ue000", "0", " "]
)  # fmt: skip


@given(st.one_of(st.text(max_size=200), st.lists(_WORDS, max_size=30).map("".join)))
async def test_any_task_becomes_a_plan_that_can_be_run_or_an_error(task: str) -> None:
    answer = await plan(task)
    if "error" in answer:
        assert answer["error"].strip()
    else:
        parse_plan(json.dumps(answer), TOOLS, max_steps=2000)


@pytest.mark.parametrize(
    "piece",
    ["find ", "a.csv ", "a.b", "在", "并", "'", '"', "。", "(1)", "three ", "1 ", "and ", "save ",
     "list files in ", "to a.md ", "最后", "十", "1分", "sqrt(", "the word ", "what is ", "\ue000"],
)  # fmt: skip
async def test_no_task_takes_long_to_plan(piece: str) -> None:
    task = (piece * 2000)[:2000]
    with little_effort():
        await plan(task)
        await plan("find " + task[:1990])


# --- the client itself


async def test_free_text_is_refused_honestly() -> None:
    request = LLMRequest(messages=[ChatMessage(role="user", content="Write a poem.")])
    with pytest.raises(LLMError, match=r"offline client.*no language model"):
        await OfflineClient().complete(request)


async def test_a_request_without_a_question_is_an_error() -> None:
    with pytest.raises(LLMError, match="asked nothing"):
        await OfflineClient().complete(LLMRequest(messages=[], purpose="plan"))


async def test_every_answer_is_a_checkpoint() -> None:
    request = LLMRequest(messages=[ChatMessage(role="user", content="x")])
    with trio.CancelScope() as scope:
        scope.cancel()
        await OfflineClient().complete(request)
    assert scope.cancelled_caught


async def test_a_plan_runs_on_the_default_tools(tmp_path: Path) -> None:
    """The references and arguments that the rules write are those that the tools take."""
    (tmp_path / "销售.csv").write_text("地区,金额\n北,3\n南,5\n", encoding="utf-8")
    tools = ToolSet(default_tools(root=tmp_path))
    outputs: dict[str, Any] = {}

    class Quiet:
        def progress(self, percent: float, message: str = "") -> None: ...
        def output(self, text: str) -> None: ...

    task = (
        "分析 销售.csv 并保存报告，然后列出文件，然后计算 1+1 并保存到 和.txt，"
        "然后在 销售.csv 中查找 北"
    )
    for step in parse_plan(json.dumps(await plan(task)), tools, max_steps=50):
        assert isinstance(step, ToolStep)
        arguments = resolve(step.arguments, Scope(outputs=outputs))
        outputs[step.id] = await tools[step.tool].run(Quiet(), arguments)
    assert "| 金额 | 2 | 0 | 4 | 3 | 5 | 8 |" in (tmp_path / "销售_report.md").read_text("utf-8")
    assert (tmp_path / "和.txt").read_text("utf-8") == "1+1 = 2\n"
    assert outputs["step_9"]["count"] == 1
