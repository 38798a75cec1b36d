// The dialog that asks. Nothing but a press of "Yes" approves: neither Escape nor Enter in the
// text does, nor a key that was on its way when the dialog came up.

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
  /** @param {(task: Task, question: any, confirmed: boolean, reason: string) => Promise<void>} answer */
  constructor(answer) {
    this._answer = answer;
    this._dialog = byId("question");
    /** @type {Task | null} */
    this._task = null;
    this._question = null;
    this._ready = false;
    this._timer = 0;
    this._sending = false;
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
    if (this._dialog.open || !task.question) return;
    this._task = task;
    this._question = task.question;
    this._sending = false;
    say(byId("question-title"), `May it go on: ${oneLine(task.question.stepName, 120)}?`);
    say(byId("question-task"), task.text ? `For the task: ${oneLine(task.text, 200)}` : "");
    this._text.update(String(task.question.reason ?? ""));
    byId("question-reason").value = "";
    show(byId("question-error"), false);
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
    if (!this._question) return;
    const { expiresAt } = this._question;
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
    if (this._task === task && this._dialog.open) this._dialog.close();
  }

  /** @param {string} id of a task that is shown no more */
  forget(id) {
    for (const key of this.later) if (key.startsWith(`${id} `)) this.later.delete(key);
  }

  /** @param {boolean} confirmed */
  async _decide(confirmed) {
    if (this._sending || !this._task || !this._ready) return;
    this._sending = true;
    this._able(false);
    try {
      await this._answer(this._task, this._question, confirmed, byId("question-reason").value.trim());
      this._sending = true;
      this._dialog.close();
    } catch (error) {
      this._sending = false;
      this._able(true);
      const complaint = byId("question-error");
      say(complaint, String(error.message ?? error));
      show(complaint, true);
    }
  }

  /** @param {boolean} able */
  _able(able) {
    for (const id of ["approve", "reject"]) byId(id).setAttribute("aria-disabled", String(!able));
  }

  _closed() {
    // By Escape or "later", while it is still asked: it stays in its task, with a button.
    if (this._task?.question === this._question && this._task && !this._sending) this.later.add(keyOf(this._task));
    this._task = null;
    this._question = null;
    this.afterwards();
  }

  afterwards = () => {};
}
