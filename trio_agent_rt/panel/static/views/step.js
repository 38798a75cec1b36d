// One step of a plan: a line, and below it what it has to show.

import { STATES, oneLine, size, span } from "../page/words.js";
import { h, say, set, show } from "./dom.js";
import { LongText } from "./text.js";

export class StepView {
  /** @param {import("../page/model.js").Step} step */
  constructor(step) {
    this._step = step;
    this._icon = h("span", { class: "icon", "aria-hidden": "true" });
    this._name = h("span", { class: "name" });
    this._state = h("span", { class: "state" });
    this._time = h("span", { class: "time" });
    this._line = h("div", { class: "line" }, this._icon, this._name, this._state, this._time);
    this.element = h("li", { class: "step" }, this._line);
    /** @type {Record<string, any>} what not every step has, made when it is needed */
    this._parts = {};
  }

  /** @param {import("../page/model.js").Step} step @param {number} now */
  update(step, now) {
    this._step = step;
    const waits = this.waiting && step.status === "running";
    const [icon, word] = STATES[waits ? "waiting" : step.status] ?? ["·", step.status];
    const pending = this.over ? "Not run" : step.asks ? "Pending, will ask" : word;
    set(this.element, "data-state", waits ? "waiting" : step.status);
    set(this.element, "aria-current", step.status === "running" ? "step" : null);
    say(this._icon, icon);
    say(this._name, oneLine(step.name, 300));
    say(this._state, step.status === "pending" ? pending : word);
    this.tick(now);
    this._progress(step);
    this._message(step);
    this._output(step);
    this._result(step);
  }

  /** Whether it asks something. */
  waiting = false;
  /** Whether its task has ended. */
  over = false;

  /** @param {number} now */
  tick(now) {
    const { status, startedAt, duration } = this._step;
    const running = status === "running" && startedAt !== null;
    say(this._time, running ? span(now - startedAt) : duration === null ? "" : span(duration));
  }

  /** @param {string} name @param {() => any} make */
  _part(name, make) {
    if (!this._parts[name]) {
      this._parts[name] = make();
      const order = ["progress", "message", "output", "result"].map((each) => this._parts[each]?.element);
      this.element.append(...order.filter(Boolean));
    }
    return this._parts[name];
  }

  /** @param {import("../page/model.js").Step} step */
  _progress(step) {
    const shown = step.status === "running" && step.progress !== null;
    if (!shown && !this._parts.progress) return;
    const part = this._part("progress", () => {
      const bar = h("progress", { max: "100", "aria-label": `Progress of ${oneLine(step.name, 80)}` });
      const text = h("span", { class: "percent" });
      return { element: h("div", { class: "progress" }, bar, text), bar, text };
    });
    show(part.element, shown);
    if (!shown) return;
    if (part.bar.value !== step.progress) part.bar.value = step.progress;
    say(part.text, `${Math.round(step.progress)} % ${oneLine(step.message)}`.trim());
  }

  /** @param {import("../page/model.js").Step} step */
  _message(step) {
    const text = step.error ?? (step.retrying && `Failed, and is tried again: ${step.retrying}`);
    if (!text && !this._parts.message) return;
    const part = this._part("message", () => ({ element: h("p", { class: "complaint" }) }));
    show(part.element, Boolean(text));
    say(part.element, oneLine(text ?? "", 2000));
  }

  /** @param {import("../page/model.js").Step} step */
  _output(step) {
    if (!step.output && !this._parts.output) return;
    const part = this._part("output", () => {
      const text = new LongText({ label: `Output of ${oneLine(step.name, 80)}`, kept: "tail" });
      const title = h("summary");
      const element = h("details", { class: "output", open: true }, title, text.element);
      element.addEventListener("toggle", () => this._output(this._step));
      return { element, title, text };
    });
    say(part.title, `Output, ${size(step.output.length + step.dropped)}`);
    if (part.element.open) part.text.update(step.output, step.dropped);
  }

  /** @param {import("../page/model.js").Step} step */
  _result(step) {
    const output = step.result?.output;
    if (output === undefined || output === null || output === "" || output === step.output) return;
    const part = this._part("result", () => {
      const text = new LongText({ label: `Result of ${oneLine(step.name, 80)}` });
      const element = h("details", { class: "output" }, h("summary", { text: "Result" }), text.element);
      element.addEventListener("toggle", () => this._result(this._step));
      return { element, text };
    });
    // Hundreds of results that nobody looks at need no place in the page.
    if (part.element.open) part.text.update(output);
  }
}
