// The page: puts the model, the line to the server and the views together.

import { LogView } from "../views/log.js";
import { Painter, announce, byId, h, note, say, show } from "../views/dom.js";
import { QuestionDialog, keyOf } from "../views/question.js";
import { TaskView, howFar, stateOf } from "../views/task.js";
import { Connection } from "./connection.js";
import { keepView, keptView } from "./kept.js";
import { Model } from "./model.js";
import { whereIs } from "./where.js";
import { STATES, oneLine, sentence } from "./words.js";

const TICK = 250; // ms
const REASON = "pressed Cancel in the panel";
const STOPS = {
  async: "A cancel stops it at once.",
  subprocess: "A cancel ends its process.",
  thread: "A cancel waits until its thread notices.",
  abandon: "A cancel leaves its thread behind.",
};
const CLOSED = {
  answered: "The question was answered elsewhere.",
  rejected: "The question was answered elsewhere: no.",
  expired: "Nobody answered the question in time.",
  withdrawn: "The question was withdrawn: its step has ended.",
};

const model = new Model();
const painter = new Painter();
const log = new LogView(model);
/** @type {Map<string, TaskView>} */
const views = new Map();
/** @type {Map<string, string>} what was last said of each task */
const announced = new Map();
/** @type {Set<string>} the questions that were answered here */
const answered = new Set();
const questions = new QuestionDialog(answer);
/** @type {Connection} */
let connection;
let title = "Agent panel";

model.touched = (task, step) => {
  if (step) painter.paint(step, () => draw(task, step));
  painter.paint(task, () => draw(task));
};
model.logTouched = () => painter.paint(log, () => log.draw());
model.questionClosed = (task, why) => {
  const mine = forgetAnswers(task.id);
  questions.close(task);
  if (!mine) note(CLOSED[why] ?? CLOSED.answered);
};

/** Whether there were any. @param {string} id of their task; others wait for answers of their own */
function forgetAnswers(id) {
  const keys = [...answered].filter((key) => key.startsWith(`${id} `));
  for (const key of keys) answered.delete(key);
  return keys.length > 0;
}

questions.afterwards = askNext;
painter.afterwards = () => {
  drawTitle();
  askNext();
};

/** @param {import("./model.js").Task} task @param {import("./model.js").Step} [step] */
function draw(task, step) {
  if (!model.tasks.has(task.id)) return;
  let view = views.get(task.id);
  if (!view) {
    view = new TaskView(task, { cancel, answer: (asking) => questions.ask(asking, model.now()) });
    views.set(task.id, view);
    byId("tasks").prepend(view.element);
  }
  if (step) {
    if (task.steps.get(step.id) === step) view.updateStep(step, model.now());
    if (step.status === "running") tell(task, `Step ${step.number} of ${task.order.length}: ${oneLine(step.name, 100)}`);
    return;
  }
  view.update(task, model.now());
  // Its row says so too, without a message of its own.
  const asking = task.question && task.steps.get(task.question.stepId);
  for (const each of task.steps.values()) {
    if (each.status === "running" || each === asking) view.updateStep(each, model.now());
  }
  const state = stateOf(task);
  if (!["running", "planning", "submitting"].includes(state)) tell(task, `${view.element.querySelector("h2").textContent}: ${STATES[state]?.[1]}`);
  for (const id of views.keys()) if (!model.tasks.has(id)) forget(id);
  drawEmpty();
}

/** @param {string} id of a task that is shown no more */
function forget(id) {
  views.get(id)?.element.remove();
  views.delete(id);
  announced.delete(id);
  forgetAnswers(id);
  questions.forget(id);
}

/** @param {import("./model.js").Task} task @param {string} text */
function tell(task, text) {
  if (announced.get(task.id) === text) return;
  announced.set(task.id, text);
  announce(text);
}

function drawEmpty() {
  show(byId("empty"), model.tasks.size === 0);
  show(byId("tasks"), model.tasks.size > 0);
}

function drawTitle() {
  const tasks = [...model.tasks.values()];
  const asking = tasks.find((each) => each.question);
  const task = asking ?? tasks.findLast((each) => !Model.hasEnded(each)) ?? tasks.at(-1);
  let text = title;
  if (task) {
    const state = stateOf(task);
    const [icon, word] = STATES[state] ?? ["", state];
    const { done, of } = howFar(task);
    const far = state === "running" && of > 1 ? ` ${done}/${of}` : "";
    text = `${icon} ${word}${far} – ${title}`;
  }
  if (connection && !connection.isOpen && connection.state.state !== "connecting") text = `⚠ Offline – ${text}`;
  if (document.title !== text) document.title = text;
}

/** Bring up the next question that nobody has put off. */
function askNext() {
  if (questions.open || byId("token").open) return;
  for (const task of model.tasks.values()) {
    if (task.question && !questions.later.has(keyOf(task)) && !answered.has(keyOf(task))) {
      questions.ask(task, model.now());
      return;
    }
  }
}

/** @param {import("./model.js").Task} task @param {any} question @param {boolean} confirmed @param {string} reason */
async function answer(task, question, confirmed, reason) {
  const { stepId, confirmationId } = question;
  const key = keyOf(task);
  answered.add(key);
  try {
    const said = await connection.client.confirm({
      taskId: task.id, stepId, confirmationId, confirmed, reason: reason || undefined,
    });
    const outcome = outcomeOf(said);
    if (outcome === "already_decided") note("Somebody else had answered already, and that counts.");
    if (outcome === "expired" || outcome === "unknown") note("The question was no longer open.");
  } catch (error) {
    answered.delete(key);
    connection.refused(error);
    throw new Error(sentence(error));
  }
}

/** @param {import("./model.js").Task} task */
async function cancel(task) {
  if (task.cancelling !== null || Model.hasEnded(task)) return;
  model.cancelling(task);
  await sendCancel(task);
}

/** @param {import("./model.js").Task} task */
async function sendCancel(task) {
  try {
    const outcome = outcomeOf(await connection.client.cancel({ taskId: task.id, reason: REASON }));
    if (outcome !== "unknown" || Model.hasEnded(task)) return;
    model.notCancelling(task);
    note("The server does not know this task any more.", "bad");
  } catch (error) {
    if (Model.hasEnded(task)) return;
    model.notCancelling(task);
    connection.refused(error);
    note(`It was not cancelled. ${sentence(error)}`, "bad");
  }
}

/** @param {any} said an answer of the server's, be it an ack or that of HTTP */
const outcomeOf = (said) => said?.outcome ?? said?.data?.outcome ?? "";

let sending = false;

/** @param {string} text */
async function submit(text) {
  const complaint = byId("task-error");
  show(complaint, false);
  if (!text.trim()) {
    say(complaint, "Say first what to do.");
    show(complaint, true);
    byId("task").focus();
    return;
  }
  if (sending) {
    say(complaint, "The server has not taken the task before yet.");
    show(complaint, true);
    return;
  }
  sending = true;
  byId("submit").dataset.sending = "";
  const task = model.submitting(text.trim());
  try {
    await send(task);
    show(complaint, false);
    if (byId("task").value === text) byId("task").value = "";
  } catch (error) {
    model.tasks.delete(task.id);
    forget(task.id);
    drawEmpty();
    drawTitle();
    say(complaint, sentence(error));
    show(complaint, true);
    connection.refused(error);
  } finally {
    sending = false;
    delete byId("submit").dataset.sending;
  }
}

/** @param {import("./model.js").Task} task */
async function send(task) {
  model.accepted(task, outcomeOf(await connection.client.submit(task.text, { taskId: task.id })));
}

/** What was under way when the page was left: sent once more, which does no harm. */
function sendAgain() {
  for (const task of model.tasks.values()) {
    if (task.state === "submitting") send(task).catch((error) => model.refused(task, sentence(error)));
    else if (task.cancelling !== null && !Model.hasEnded(task)) sendCancel(task);
  }
}

function keep() {
  keepView({ session: connection.session, since: connection.since, shown: model.snapshot() });
}

function drawSession() {
  const { session } = connection;
  say(byId("session"), session ? `${session.slice(0, 8)}…` : "…");
  byId("join").href = `${location.pathname}${location.search}#session=${session}`;
  show(byId("join"), Boolean(session));
}

async function listTools() {
  if (!byId("tools-details").open) return;
  try {
    const told = await connection.client.tools();
    const tools = Array.isArray(told) ? told : (told?.tools ?? told?.data?.tools ?? []);
    byId("tools").replaceChildren(
      ...tools.map((/** @type {any} */ each) =>
        h("li", {}, h("code", { text: each.name }), h("span", { text: ` ${each.description}` }), h("small", { text: ` ${STOPS[each.cancellation] ?? each.cancellation}` })),
      ),
    );
  } catch (error) {
    byId("tools").replaceChildren(h("li", { class: "complaint", text: sentence(error) }));
  }
}

function wire() {
  const box = byId("task");
  byId("submit").addEventListener("submit", (event) => {
    event.preventDefault();
    submit(box.value);
  });
  box.addEventListener("keydown", (event) => {
    // Not the Enter that ends the input of a Chinese word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit(box.value);
  });
  byId("tools-details").addEventListener("toggle", listTools);
  addEventListener("pagehide", keep);
  document.addEventListener("visibilitychange", () => document.hidden && keep());
  setInterval(() => {
    const now = model.now();
    for (const [id, view] of views) {
      const task = model.tasks.get(id);
      if (task && !Model.hasEnded(task)) view.tick(now);
    }
    questions.tick(now);
    if (!connection.isOpen) connection.draw();
  }, TICK);
}

/** @param {string[]} examples */
function offer(examples) {
  const buttons = examples.map((text) => h("li", {}, h("button", { type: "button", text, onclick: () => submit(text) })));
  byId("examples").append(...buttons);
  show(byId("examples"), examples.length > 0);
  show(byId("examples-title"), examples.length > 0);
}

async function start() {
  const response = await fetch("panel/settings.json");
  if (!response.ok) throw new Error(`The server answered ${response.status} for the settings of this page.`);
  const settings = await response.json();
  title = settings.title;
  say(byId("title"), title);
  offer(settings.examples);
  const kept = keptView();
  if (kept.shown) {
    model.restore(kept.shown);
    for (const task of model.tasks.values()) {
      model.touched(task);
      for (const step of task.steps.values()) model.touched(task, step);
    }
    model.logTouched();
  }
  drawEmpty();
  connection = new Connection(whereIs(settings, location), kept, {
    message: (message) => model.apply(message),
    sessionOver: () => model.lose("Its session is over: the server was restarted, or nobody watched for too long."),
    changed: () => {
      drawSession();
      drawTitle();
    },
  });
  wire();
  connection.begin();
  sendAgain();
}

start().catch((error) => {
  byId("connection").dataset.state = "closed";
  say(byId("connection-text"), `This page could not start. ${sentence(error)}`);
});
