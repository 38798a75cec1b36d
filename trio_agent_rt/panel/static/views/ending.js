// How a task ended: its result, its error, or the receipt of its cancel.

import { clock, count, oneLine, span } from "../page/words.js";
import { h } from "./dom.js";
import { LongText } from "./text.js";

const CLEANUP = {
  clean: "clean: everything was put away in time",
  timed_out: "not finished in time, and cut off",
  raised: "raised an error",
};

/** @param {import("../page/model.js").Task} task */
export function ending(task) {
  const { end } = task;
  const element = h("div", { class: "ending", "data-state": task.state });
  if (end?.receipt) element.append(receipt(task, end.receipt));
  else if (task.error) element.append(h("p", { class: "complaint", text: oneLine(task.error, 4000) }));
  if (end?.summary) {
    const summary = new LongText({ label: "Summary" });
    summary.element.classList.add("summary");
    summary.update(end.summary);
    element.append(summary.element);
  }
  if (end && end.output !== null && end.output !== undefined && end.output !== end.summary) {
    const output = new LongText({ label: "Result of the task" });
    output.update(end.output);
    element.append(h("h3", { text: "Result" }), output.element);
  }
  if (end?.confirmations?.length) element.append(decided(end.confirmations));
  if (end?.usage) {
    const { inputTokens, outputTokens } = end.usage;
    const text = `${count(inputTokens, "token")} to the model, ${count(outputTokens, "token")} from it`;
    element.append(h("p", { class: "hint", text }));
  }
  return element;
}

/** @param {import("../page/model.js").Task} task @param {any} told */
function receipt(task, told) {
  const names = (/** @type {string[]} */ ids) =>
    ids.map((id) => oneLine(task.steps.get(id)?.name ?? id, 80)).join(", ") || "none";
  const rows = [
    ["Asked for by", oneLine(told.reason, 500)],
    ["Asked at", clock(told.requestedAt)],
    ["Ended", `${span(told.duration)} later, at ${clock(told.endedAt)}`],
    ["Interrupted", names(told.interrupted ?? [])],
    ["Completed before", names(told.completed ?? [])],
    ["Cleanup", CLEANUP[told.cleanup] ?? told.cleanup],
  ];
  if (told.cleanupDetail) rows.push(["", oneLine(told.cleanupDetail, 1000)]);
  const list = h("dl");
  for (const [name, value] of rows) {
    list.append(h("div", {}, h("dt", { text: name || "Which" }), h("dd", { text: value })));
  }
  return h(
    "section",
    { class: "receipt", "aria-label": "Receipt of the cancel" },
    h("h3", { text: "Receipt: the work has ended" }),
    list,
  );
}

/** @param {any[]} confirmations */
function decided(confirmations) {
  const list = h("ul", { class: "decided" });
  for (const each of confirmations) {
    const by = each.by ? ` by ${each.by}` : "";
    const why = each.reason ? `: ${each.reason}` : "";
    list.append(h("li", { text: oneLine(`${each.stepName}: ${each.outcome}${by}${why}`, 400) }));
  }
  return h("div", {}, h("h3", { text: "What was asked" }), list);
}
