"""What is told again, by a catch-up or beside one, undoes nothing that the page knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import in_chromium
from tests.browser.panel.stage import on_stage, open_panel

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

# A browser starts for each, on a machine that may be busy.
pytestmark = pytest.mark.hang_guard(180)


async def told(script: str) -> object:
    """What a script finds out with a model of its own."""
    found: list[object] = []
    async with on_stage() as stage:

        def run(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            found.append(
                page.evaluate(f"""async () => {{
                  const {{ Model }} = await import("/panel/page/model.js");
                  const model = new Model();
                  {script}
                }}""")
            )

        await in_chromium(run)
    return found[0]


async def test_a_task_is_lost_by_a_catch_up_that_does_not_tell_of_it_and_by_nothing_else() -> None:
    states = await told("""
      const task = model.submitting("bake");
      model.sending(task);
      const status = { type: "status", replay: true, data: { state: "idle", message: "" } };
      const states = [];
      const tell = (...messages) => {
        for (const each of messages) model.apply(each);
        states.push(task.state);
      };
      const first = { ...status, replay: false, id: "a-1" };
      tell({ type: "connected", data: { resumed: false } }, first);
      model.accepted(task, "accepted");
      tell(status);  // beside a refused submit
      tell({ type: "connected", data: { resumed: true } }, status);
      tell({ type: "gap", data: {} }, status);
      return states;
    """)
    assert states == ["submitting", "planning", "planning", "lost"]


async def test_an_answer_stands_when_the_question_and_its_step_are_told_again() -> None:
    stands = await told("""
      const task = model.submitting("bake");
      const tell = (type, data, replay) => model.apply({ type, taskId: task.id, data, replay });
      let closed = 0;
      model.questionClosed = () => { closed += 1; };
      const asked = { stepId: "s", confirmationId: "c", stepName: "s", expiresAt: null };
      tell("step:start", { stepId: "s", stepName: "s" });
      tell("waiting:confirmation", asked);
      task.question.decided = { confirmed: true, reason: "", sent: false, told: false };
      tell("step:start", { stepId: "s", stepName: "s" }, true);
      tell("waiting:confirmation", asked, true);
      const decided = task.question?.decided?.confirmed ?? null;
      tell("step:start", { stepId: "s", stepName: "s" });  // begun anew: that answers it
      return [decided, closed];
    """)
    assert stands == [True, 1]
