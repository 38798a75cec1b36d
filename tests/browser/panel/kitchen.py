"""An agent that does what a task's text says, and waits where a test wants it to."""

from __future__ import annotations

from collections import defaultdict

import attrs
import trio

from trio_agent_rt import TaskRun

__all__ = ["GROSS", "HOSTILE", "LONG_LINE", "MANY", "Kitchen"]

HOSTILE = (
    "<script>globalThis.hacked = 1</script><img src=x onerror='globalThis.hacked = 1'>"
    '"><svg onload=globalThis.hacked=1>'
)
LONG_LINE = "长" * 50_000 + "x" * 50_000
GROSS = "长" * 300_000
MANY = 500


@attrs.define
class Kitchen:
    """Bakes, waits, fails, or is hostile."""

    asked: list[str] = attrs.field(factory=list[str])
    """The texts of all tasks that it was given."""
    may_go_on: defaultdict[str, trio.Event] = attrs.field(factory=lambda: defaultdict(trio.Event))
    """By step: set when its second half may be done."""
    patience: float | None = 300.0
    """Seconds that a question stays open."""

    async def __call__(self, task: str, run: TaskRun) -> object:
        self.asked.append(task)
        match task.partition(" ")[0]:
            case "等":
                return await self._wait(run)
            case "坏":
                async with run.step("点火"):
                    raise RuntimeError("烤箱坏了")
            case "hostile":
                return await self._hostile(run)
            case "gross":
                return await self._gross(run)
            case "many":
                return await self._many(run)
            case _:
                return await self._bake(run)

    async def _bake(self, run: TaskRun) -> object:
        run.plan(["和面", "烤", "装盒"])
        for name in ("和面", "烤"):
            async with run.step(name) as step:
                step.progress(40, "揉得差不多了")
                step.output(f"{name}:前一半\n")
                await self.may_go_on[name].wait()
                step.progress(100, "好了")
                step.output(f"{name}:后一半\n")
        async with run.step("装盒") as step:
            await step.confirm("可以装盒吗?", expires_after=self.patience)
        return {"面包": 1, "好吃": True}

    async def _wait(self, run: TaskRun) -> None:
        run.plan(["等人", "收拾"])
        async with run.step("等人") as step:
            step.progress(30, "还没来")
            try:
                await trio.sleep_forever()
            finally:
                async with run.cleanup():
                    await self.may_go_on["收摊"].wait()

    async def _hostile(self, run: TaskRun) -> object:
        run.plan([HOSTILE])
        async with run.step(HOSTILE) as step:
            step.progress(50, HOSTILE)
            step.output(f"{HOSTILE}\n{LONG_LINE}\n")
            step.output(f"{LONG_LINE}\n")
            await step.confirm(f"{HOSTILE} {LONG_LINE}")
        return {HOSTILE: [HOSTILE, LONG_LINE]}

    async def _gross(self, run: TaskRun) -> str:
        async with run.step("称") as step:
            step.output(GROSS)
        return GROSS

    async def _many(self, run: TaskRun) -> str:
        names = [f"第 {number} 步" for number in range(1, MANY + 1)]
        run.plan(names)
        for name in names:
            async with run.step(name) as step:
                step.progress(50, "一半")
                step.output(f"{name}的输出\n" * 5)
                await trio.sleep(0.002)
        return "都好了"
