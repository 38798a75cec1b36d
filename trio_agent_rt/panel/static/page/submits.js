// The box for tasks, and each task on its way until the server has said whether it takes it.
//
//   box ──▶ unsent ──connected──▶ sent ──taken──▶ the server's
//             │                    ├──refused──▶ still in the box, or a card with "Send again"
//             └──cancelled─────────┴──session over──▶ a card with "Send again"
//
// As long as nobody has answered, it is sent under one id, so that it cannot start twice.

import { byId, say, show } from "../views/dom.js";
import { keepDraft, keptDraft } from "./kept.js";
import { LATE, Model } from "./model.js";
import { outcomeOf, sentence } from "./words.js";

const TOO_FAST = 5; // seconds, where the server does not say

export class Submits {
  /** @param {Model} model @param {import("./connection.js").Connection} connection
   * @param {(task: import("./model.js").Task) => void} cancel called for what was to be cancelled
   * before the server had taken it, when it has */
  constructor(model, connection, cancel) {
    this._model = model;
    this._connection = connection;
    this._cancel = cancel;
    this._box = byId("task");
    /** @type {import("./model.js").Task | null} what was sent from the box and is still in it */
    this._inBox = null;
    /** @type {(() => boolean) | null} when what is complained of is over */
    this._over = null;
    this._box.value ||= keptDraft();
    byId("submit").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.submit(this._box.value);
    });
    this._box.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      // Not the Enter that ends the input of a Chinese word.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.submit(this._box.value);
    });
    this._box.addEventListener("input", () => this._content());
  }

  /** @param {string} text */
  submit(text) {
    this._content();
    if (!text.trim()) {
      this._box.focus();
      this._complain("Say first what to do.");
    } else if (this._inBox) {
      this._complain("The server has not taken the task before yet.", () => this._inBox === null);
    } else {
      const task = this._model.submitting(text.trim());
      this._inBox = task;
      byId("submit").dataset.sending = "";
      this._deliver(task);
      this.tick();
      this._connection.refused(this._connection.state.error);
    }
  }

  /** Once more, what the server does not have. @param {import("./model.js").Task} task */
  again(task) {
    if (!this._model.tasks.has(task.id)) return; // pressed twice
    this._model.remove(task);
    this._deliver(this._model.submitting(task.text ?? ""));
  }

  /** What was under way when the page was left. */
  goOn() {
    for (const task of this._model.tasks.values()) if (task.state === "submitting") this._deliver(task);
  }

  /** As time goes by, and when the connection changes. */
  tick() {
    if (this._over?.()) this._content();
    const task = this._inBox;
    if (!task) return;
    // Whoever sees it in the box would start it once more: its card has it.
    const late = task.sentAt !== null && this._model.now() - task.sentAt > LATE;
    if (late || !this._connection.isOpen) this._leaveBox(task);
  }

  /** For after a reload. */
  keep() {
    keepDraft(this._box.value.trim() === this._inBox?.text ? "" : this._box.value);
  }

  /** @param {import("./model.js").Task} task */
  async _deliver(task) {
    try {
      const said = await this._connection.deliver(
        (client) => {
          this._model.sending(task);
          return client.submit(task.text ?? "", { taskId: task.id });
        },
        () => task.state === "submitting",
      );
      if (said !== null) this._model.accepted(task, outcomeOf(said));
    } catch (error) {
      this._refused(task, error);
    }
    this._leaveBox(task);
    if (task.cancelling !== null && !Model.hasEnded(task)) this._cancel(task);
  }

  /** @param {import("./model.js").Task} task @param {any} error */
  _refused(task, error) {
    if (this._inBox !== task || this._box.value.trim() !== task.text) {
      this._model.refused(task, sentence(error));
      return;
    }
    this._inBox = null;
    this._model.remove(task);
    const free = this._model.now() + 1000 * (error.retryAfter ?? TOO_FAST);
    const over = {
      busy: () => [...this._model.tasks.values()].every(Model.hasEnded),
      rate_limited: () => this._model.now() > free,
      shutting_down: () => !this._connection.isOpen,
    }[error.code];
    this._complain(sentence(error), over);
    delete byId("submit").dataset.sending;
  }

  /** @param {import("./model.js").Task} task */
  _leaveBox(task) {
    if (this._inBox !== task) return;
    this._inBox = null;
    delete byId("submit").dataset.sending;
    if (this._box.value.trim() === task.text) this._box.value = "";
  }

  /** @param {string} text @param {(() => boolean) | null} [over] null: when something is typed */
  _complain(text, over = null) {
    this._over = over;
    say(byId("task-error"), text);
    show(byId("task-error"), true);
  }

  _content() {
    this._over = null;
    show(byId("task-error"), false);
  }
}
