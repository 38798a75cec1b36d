// One task: its text, its state, its plan, and how it ended.

import { LATE, Model } from "../page/model.js";
import { STATES, oneLine, span } from "../page/words.js";
import { h, say, set, show } from "./dom.js";
import { ending } from "./ending.js";
import { StepView } from "./step.js";

const MANY = 50; // steps

const DONE = new Set(["success", "skipped"]);

/** The state that is shown of a task. @param {import("../page/model.js").Task} task */
export function stateOf(task) {
  if (task.cancelling !== null && !Model.hasEnded(task)) return "cancelling";
  return task.state === "waiting" && task.question?.decided ? "answered" : task.state;
}

/** What it is called, where there is little room. @param {import("../page/model.js").Task} task */
export function nameOf(task, most = 60) {
  return oneLine(task.text ?? `Task ${task.id.slice(0, 8)}, started elsewhere`, most);
}

const SOON = "as soon as there is a connection";

/** What is known of it. @param {import("../page/model.js").Task} task @param {number} now
 * @param {boolean} online */
function known(task, now, online) {
  if (Model.hasEnded(task)) return "";
  if (task.state === "submitting") {
    if (task.sentAt === null) return `It is sent ${SOON}.`;
    const maybe = "The server has not answered, and may have begun it";
    if (task.cancelling !== null) return `${maybe}: it is cancelled as soon as there is an answer.`;
    if (!online) return `${maybe}: it is asked again ${SOON}.`;
    return now - task.sentAt > LATE ? `${maybe}.` : "";
  }
  if (task.cancelling === null) return oneLine(task.note, 200);
  if (!online) return `The cancel is sent ${SOON}.`;
  return "The work is being ended; the receipt comes when it has.";
}

/** What became of the answer to its question. @param {import("../page/model.js").Task} task
 * @param {boolean} online */
function answered({ question }, online) {
  const decided = question?.decided;
  if (!decided) return "A step waits for your answer.";
  const said = `You have answered ${decided.confirmed ? "yes" : "no"}`;
  return decided.told ? `${said}.` : `${said}; ${online ? "it is on its way." : `it is sent ${SOON}.`}`;
}

/** How far a task is. @param {import("../page/model.js").Task} task */
export function howFar(task) {
  let done = 0;
  for (const step of task.steps.values()) if (DONE.has(step.status)) done += 1;
  return { done, of: task.order.length };
}

export class TaskView {
  /** @param {import("../page/model.js").Task} task
   * @param {{cancel: (task: any) => void, answer: (task: any) => void, again: (task: any) => void}} actions */
  constructor(task, actions) {
    this._task = task;
    /** @type {Map<string, StepView>} */
    this._steps = new Map();
    this._follow = true;
    this._handAt = -Infinity;
    /** @type {HTMLElement | null} the step that began last */
    this._current = null;
    const id = `task-${task.id.replace(/[^\w-]/g, "_")}`;
    this._title = h("h2", { id });
    this._icon = h("span", { class: "icon", "aria-hidden": "true" });
    this._word = h("span");
    this._state = h("p", { class: "badge" }, this._icon, this._word);
    this._time = h("span", { class: "time" });
    this._far = h("span", { class: "far" });
    this._note = h("span", { class: "doing" });
    this._cancel = h("button", { type: "button", class: "cancel", onclick: () => actions.cancel(this._task) });
    this._again = h("button", { type: "button", text: "Send again", hidden: true, onclick: () => actions.again(this._task) });
    this._asked = h("span");
    this._answer = h("button", { type: "button", class: "primary", text: "Answer", onclick: () => actions.answer(this._task) });
    this._asks = h("div", { class: "asks", hidden: true }, this._asked, this._answer);
    this._bar = h("progress", { class: "whole", "aria-label": "Steps done", hidden: true });
    this._list = h("ol", { class: "steps", "aria-label": "Plan", hidden: true, tabindex: "0" });
    // Lists also scroll by themselves, when what is above grows: only a hand counts.
    for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"]) {
      this._list.addEventListener(kind, () => { this._handAt = performance.now(); }, { passive: true });
    }
    this._list.addEventListener("scroll", () => this._scrolled(), { passive: true });
    this._ending = null;
    this._ended = "";
    this.element = h(
      "article",
      { class: "task", "aria-labelledby": id, "data-task": task.id },
      h("div", { class: "head" }, this._title, this._state, this._again, this._cancel),
      h("p", { class: "facts" }, this._time, this._far, this._note),
      this._bar,
      this._asks,
      this._list,
    );
  }

  /** @param {import("../page/model.js").Task} task @param {number} now @param {boolean} online */
  update(task, now, online) {
    this._task = task;
    const ended = Model.hasEnded(task);
    const state = stateOf(task);
    const [icon, word] = STATES[state] ?? ["·", state];
    set(this.element, "data-state", state);
    say(this._title, nameOf(task, 400));
    say(this._icon, icon);
    say(this._word, word);
    const { done, of } = howFar(task);
    say(this._far, of ? `${done} of ${of} steps done` : "");
    show(this._bar, of > 1 && !ended);
    if (this._bar.max !== of && of) this._bar.max = of;
    if (this._bar.value !== done) this._bar.value = done;
    show(this._asks, task.question !== null);
    say(this._asked, answered(task, online));
    show(this._answer, !task.question?.decided);
    show(this._again, Model.maySendAgain(task));
    set(this._again, "aria-label", `Send again: ${this._title.textContent}`);
    show(this._cancel, !ended);
    say(this._cancel, task.cancelling !== null ? "Cancelling…" : "Cancel");
    // Not `disabled`: that would take the focus away from whoever has just pressed it.
    set(this._cancel, "aria-disabled", task.cancelling !== null ? "true" : null);
    set(this._cancel, "aria-label", `${task.cancelling !== null ? "Cancelling" : "Cancel"}: ${this._title.textContent}`);
    this._order(task);
    this._end(task, ended);
    this.tick(now, online);
  }

  /** @param {import("../page/model.js").Step} step @param {number} now */
  updateStep(step, now) {
    let view = this._steps.get(step.id);
    if (!view) {
      view = new StepView(step);
      this._steps.set(step.id, view);
      // A plan comes in its order: then each is simply the next one.
      if (step.number === this._list.children.length + 1) this._list.append(view.element);
      else this._order(this._task);
      show(this._list, true);
    }
    view.over = Model.hasEnded(this._task);
    view.waiting = this._task.question?.stepId === step.id && !this._task.question.decided;
    view.update(step, now);
    if (step.status === "running" && this._current !== view.element) this._show(view.element);
  }

  /** Let time go on, where it is shown. @param {number} now @param {boolean} online */
  tick(now, online) {
    const { startedAt, end, cancelling } = this._task;
    const ended = Model.hasEnded(this._task);
    let text = "";
    if (end) text = span(end.duration);
    else if (ended || startedAt === null) text = "";
    else if (cancelling !== null) text = `${span(now - startedAt)}, cancelling for ${span(now - cancelling)}`;
    else text = span(now - startedAt);
    say(this._time, text);
    say(this._note, known(this._task, now, online));
    if (!ended) for (const view of this._steps.values()) view.tick(now);
  }

  /** Put the steps in the order of the plan. @param {import("../page/model.js").Task} task */
  _order(task) {
    show(this._list, this._steps.size > 0);
    set(this._list, "data-many", task.order.length > MANY ? "" : null);
    const views = task.order.map((id) => this._steps.get(id)).filter((each) => each !== undefined);
    for (const [id, view] of this._steps) {
      if (task.steps.has(id)) continue;
      view.element.remove();
      this._steps.delete(id);
    }
    if (views.length === this._list.children.length && views.at(-1)?.element === this._list.lastElementChild) return;
    let at = this._list.firstElementChild;
    for (const { element } of views) {
      if (element === at) at = at.nextElementSibling;
      else this._list.insertBefore(element, at);
    }
  }

  /** Keep what runs in sight, within the list, unless somebody looks elsewhere in it.
   * @param {HTMLElement} row */
  _show(row) {
    const list = this._list;
    this._current = row;
    if (!this._follow || list.scrollHeight <= list.clientHeight || this._isSeen(row)) return;
    list.scrollTop = row.offsetTop - list.offsetTop - list.clientHeight / 3;
  }

  /** @param {HTMLElement} row */
  _isSeen(row) {
    const top = row.offsetTop - this._list.offsetTop - this._list.scrollTop;
    return top >= 0 && top + row.offsetHeight <= this._list.clientHeight;
  }

  _scrolled() {
    if (performance.now() - this._handAt > 1000 || !this._current) return;
    this._follow = this._isSeen(this._current);
  }

  /** @param {import("../page/model.js").Task} task @param {boolean} ended */
  _end(task, ended) {
    const key = ended ? `${task.state} ${task.end ? "told" : ""}` : "";
    if (key === this._ended) return;
    this._ended = key;
    this._ending?.remove();
    this._ending = ended ? ending(task) : null;
    for (const step of ended ? task.steps.values() : []) {
      if (step.status === "pending" && this._steps.has(step.id)) this.updateStep(step, 0);
    }
    if (this._ending) this.element.insertBefore(this._ending, this._list);
  }
}
