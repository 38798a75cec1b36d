// The page: puts the model, the line to the server and the views together.

import { LogView } from "../views/log.js";
import { Painter, announce, byId, h, note, say, show } from "../views/dom.js";
import { QuestionDialog, keyOf } from "../views/question.js";
import { TaskView, howFar, nameOf, stateOf } from "../views/task.js";
import { Connection } from "./connection.js";
import { forgetInvitation, invitation, keepView, keptView } from "./kept.js";
import { Model } from "./model.js";
import { Submits } from "./submits.js";
import { whereIs } from "./where.js";
import { STATES, oneLine, outcomeOf, sentence } from "./words.js";

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
const questions = new QuestionDialog(answer);
/** @type {Connection} */
let connection;
/** @type {Submits} */
let submits;
let title = "Agent panel";

model.touched = (task, step) => {
  if (step) painter.paint(step, () => draw(task, step));
  if (!model.tasks.has(task.id)) forget(task.id);
  painter.paint(task, () => draw(task));
};
model.logTouched = () => painter.paint(log, () => log.draw());
model.questionClosed = (task, why, { decided }) => {
  questions.close(task);
  questions.forget(task.id);
  // Of a whole session that is over one note tells; and of what was sent, its answer.
  if (why === "lost" || decided?.sent) return;
  const closed = CLOSED[why] ?? CLOSED.answered;
  note(decided ? `Your answer was not sent in time. ${closed}` : closed, "plain", nameOf(task));
};

questions.afterwards = askNext;
painter.afterwards = () => {
  drawTitle();
  askNext();
};

/** @param {import("./model.js").Task} task @param {import("./model.js").Step} [step] */
function draw(task, step) {
  if (!model.tasks.has(task.id)) {
    drawEmpty();
    return;
  }
  let view = views.get(task.id);
  if (!view) {
    view = new TaskView(task, {
      cancel,
      answer: (asking) => questions.ask(asking, model.now()),
      again: (refused) => submits.again(refused),
    });
    views.set(task.id, view);
    byId("tasks").prepend(view.element);
  }
  if (step) {
    if (task.steps.get(step.id) === step) view.updateStep(step, model.now());
    if (step.status === "running") tell(task, `Step ${step.number} of ${task.order.length}: ${oneLine(step.name, 100)}`);
    return;
  }
  view.update(task, model.now(), isOnline());
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
  questions.forget(id);
}

/** @param {import("./model.js").Task} task @param {string} text */
function tell(task, text) {
  if (announced.get(task.id) === text) return;
  announced.set(task.id, text);
  announce(text);
}

const isOnline = () => Boolean(connection?.isOpen);

function drawEmpty() {
  show(byId("empty"), model.tasks.size === 0);
  show(byId("tasks"), model.tasks.size > 0);
}

function drawTitle() {
  const tasks = [...model.tasks.values()];
  const asking = tasks.find((each) => each.question && !each.question.decided);
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
    if (task.question && !task.question.decided && !questions.later.has(keyOf(task))) {
      questions.ask(task, model.now());
      return;
    }
  }
}

/** @param {import("./model.js").Task} task @param {boolean} confirmed @param {string} reason */
function answer(task, confirmed, reason) {
  if (!task.question || task.question.decided) return;
  task.question.complaint = undefined;
  task.question.decided = { confirmed, reason, sent: false, told: false };
  model.touched(task);
  sendAnswer(task);
}

/** @param {import("./model.js").Task} task whose question was answered here */
async function sendAnswer(task) {
  const { stepId, confirmationId, decided } = /** @type {import("./model.js").Question} */ (task.question);
  if (!decided) return;
  const { confirmed, reason } = decided;
  let before = false;
  try {
    const said = await connection.deliver(
      (client) => {
        before = decided.sent;
        decided.sent = true;
        return client.confirm({ taskId: task.id, stepId, confirmationId, confirmed, reason: reason || undefined });
      },
      () => task.question?.decided === decided,
    );
    if (said === null) return;
    const outcome = outcomeOf(said);
    // Sent before, it most likely speaks of its own first arrival.
    if (outcome === "already_decided" && !before) {
      note("Somebody else had answered already, and that counts.", "plain", nameOf(task));
    }
    if (outcome === "expired" || outcome === "unknown") {
      note("Your answer came too late: the question was no longer open.", "plain", nameOf(task));
    }
    decided.told = true;
  } catch (error) {
    if (task.question?.decided !== decided) return;
    task.question.decided = null;
    task.question.complaint = sentence(error);
  }
  model.touched(task);
}

/** @param {import("./model.js").Task} task */
function cancel(task) {
  if (task.cancelling !== null || Model.hasEnded(task)) return;
  if (task.state === "submitting" && task.sentAt === null) {
    model.refused(task, "It was cancelled before it was sent.");
    return;
  }
  model.cancelling(task);
  // Otherwise when the server has taken it: a cancel that overtakes its task cancels nothing.
  if (task.state !== "submitting") sendCancel(task);
}

/** @param {import("./model.js").Task} task */
async function sendCancel(task) {
  try {
    const said = await connection.deliver(
      (client) => client.cancel({ taskId: task.id, reason: REASON }),
      () => !Model.hasEnded(task),
    );
    if (said === null || outcomeOf(said) !== "unknown" || Model.hasEnded(task)) return;
    model.notCancelling(task);
    note("The server does not know this task any more.", "bad", nameOf(task));
  } catch (error) {
    if (Model.hasEnded(task)) return;
    model.notCancelling(task);
    note(`It was not cancelled. ${sentence(error)}`, "bad", nameOf(task));
  }
}

/** What was under way when the page was left: sent once more, which does no harm. */
function sendAgain() {
  submits.goOn();
  for (const task of model.tasks.values()) {
    if (task.question?.decided && !task.question.decided.told) sendAnswer(task);
    if (task.cancelling !== null && task.state !== "submitting" && !Model.hasEnded(task)) sendCancel(task);
  }
}

/** Somebody has put the address of another session into this tab. */
function follow() {
  const session = invitation();
  if (!session) return;
  const other = session !== connection.session;
  const unsent = [...model.tasks.values()].find((each) => each.state === "submitting");
  if (other && !unsent) {
    location.reload();
    return;
  }
  forgetInvitation();
  if (other && unsent) note("It is still being sent, so the other session was not opened.", "bad", nameOf(unsent));
}

function keep() {
  keepView({ session: connection.session, since: connection.since, shown: model.snapshot() });
  submits.keep();
}

function drawSession() {
  const { session } = connection;
  say(byId("session"), session ? `${session.slice(0, 8)}…` : "…");
  byId("join").href = `${location.pathname}${location.search}#session=${session}`;
  show(byId("join"), Boolean(session));
}

async function listTools() {
  if (!byId("tools-details").open) return;
  if (!byId("tools").children.length) byId("tools").append(h("li", { class: "hint", text: "The server is asked…" }));
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
  byId("tools-details").addEventListener("toggle", listTools);
  addEventListener("pagehide", keep);
  addEventListener("hashchange", follow);
  document.addEventListener("visibilitychange", () => document.hidden && keep());
  setInterval(() => {
    const now = model.now();
    for (const [id, view] of views) {
      const task = model.tasks.get(id);
      if (task && !Model.hasEnded(task)) view.tick(now, isOnline());
    }
    questions.tick(now);
    submits.tick();
    if (!connection.isOpen) connection.draw();
  }, TICK);
}

/** @param {string[]} examples */
function offer(examples) {
  const buttons = examples.map((text) => h("li", {}, h("button", { type: "button", text, onclick: () => submits.submit(text) })));
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
      submits.tick();
      for (const task of model.tasks.values()) if (!Model.hasEnded(task)) model.touched(task);
    },
  });
  submits = new Submits(model, connection, sendCancel);
  wire();
  connection.begin();
  sendAgain();
}

start().catch((error) => {
  byId("connection").dataset.state = "closed";
  say(byId("connection-text"), `This page could not start. ${sentence(error)}`);
});
