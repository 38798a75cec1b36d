// The dialog that asks. Nothing but a press of "Yes" approves: neither Escape nor Enter in the
// text does, nor a key that was on its way when the dialog came up. What is pressed first counts;
// the dialog is gone then, and the task says what becomes of the answer.

import { countdown, oneLine } from "../page/words.js";
import { LongText } from "./text.js";
import { announce, byId, say, show } from "./dom.js";

const TYPED_BEFORE = 500; // ms

/** @typedef {import("../page/model.js").Task} Task */

/** @param {Task} task */
export function keyOf(task) {
  return `${task.id} ${task.question?.confirmationId ?? task.question?.stepId}`;
}

export class QuestionDialog {
  /** @param {(task: Task, confirmed: boolean, reason: string) => void} answer */
  constructor(answer) {
    this._answer = answer;
    this._dialog = byId("question");
    /** @type {Task | null} */
    this._task = null;
    this._key = "";
    this._ready = false;
    this._timer = 0;
    this._text = new LongText({ label: "What is asked" });
    byId("question-text").append(this._text.element);
    /** @type {Set<string>} what is not brought up again by itself */
    this.later = new Set();
    byId("approve").addEventListener("click", () => this._decide(true));
    byId("reject").addEventListener("click", () => this._decide(false));
    byId("later").addEventListener("click", () => this._dialog.close());
    this._dialog.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
    this._dialog.addEventListener("close", () => this._closed());
  }

  get open() {
    return this._dialog.open;
  }

  /** Bring up what a task asks. @param {Task} task @param {number} now */
  ask(task, now) {
    if (this._dialog.open || !task.question || task.question.decided) return;
    this._task = task;
    this._key = keyOf(task);
    say(byId("question-title"), `May it go on: ${oneLine(task.question.stepName, 120)}?`);
    say(byId("question-task"), task.text ? `For the task: ${oneLine(task.text, 200)}` : "");
    this._text.update(String(task.question.reason ?? ""));
    byId("question-reason").value = "";
    say(byId("question-error"), task.question.complaint ?? "");
    show(byId("question-error"), Boolean(task.question.complaint));
    this._able(true);
    this.tick(now);
    this._ready = false;
    this._dialog.dataset.ready = "false";
    this._dialog.showModal();
    byId("reject").focus();
    clearTimeout(this._timer);
    this._timer = setTimeout(() => {
      this._ready = true;
      this._dialog.dataset.ready = "true";
    }, TYPED_BEFORE);
    announce(`A step asks: ${oneLine(task.question.stepName, 120)}`);
  }

  /** @param {number} now */
  tick(now) {
    if (!this._task?.question) return;
    const { expiresAt } = this._task.question;
    const left = expiresAt - now;
    const text =
      expiresAt === null || expiresAt === undefined ? "It waits until you answer, or the task ends."
      : left > 0 ? `It waits for another ${countdown(left)}; without an answer it counts as a no.`
      : "The time for an answer is over.";
    say(byId("question-time"), text);
    byId("question-time").classList.toggle("urgent", expiresAt !== null && left < 10_000);
  }

  /** What was asked is no question any more. @param {Task} task */
  close(task) {
    if (this._task !== task) return;
    // At once: the dialog tells of its end only later, and a press may come before.
    this._task = null;
    this._dialog.close();
  }

  /** @param {string} id of a task that is shown no more */
  forget(id) {
    for (const key of this.later) if (key.startsWith(`${id} `)) this.later.delete(key);
  }

  /** @param {boolean} confirmed */
  _decide(confirmed) {
    const task = this._task;
    if (!task || !this._ready) return;
    this._able(false);
    this.close(task);
    this._answer(task, confirmed, byId("question-reason").value.trim());
  }

  /** @param {boolean} able */
  _able(able) {
    for (const id of ["approve", "reject"]) byId(id).setAttribute("aria-disabled", String(!able));
  }

  _closed() {
    if (this._dialog.open) return; // for the next one, meanwhile
    // By Escape or "later", while it is still asked: it stays in its task, with a button.
    if (this._task) this.later.add(this._key);
    this._task = null;
    this.afterwards();
  }

  afterwards = () => {};
}
