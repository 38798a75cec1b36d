// What the page knows: tasks, their steps, and a log, out of the messages of the session.
//
//   message ──▶ apply() ──▶ tasks, log ──touched(task, step)──▶ views, a frame later
//
// No DOM here. All of it is plain values, so that it can be kept across a reload.

import { newId } from "../client/commands.js";
import { oneLine } from "./words.js";

/** So many ms after it was sent a task that nobody has answered is spoken of. */
export const LATE = 5_000;

const MOST_TASKS = 20;
const MOST_LOG = 300;
const MOST_OUTPUT = 256 * 1024;
const MOST_OUTPUT_OF_TASK = 2 * 1024 * 1024;
const ENDED = new Set(["succeeded", "failed", "cancelled", "refused", "lost"]);

/** @typedef {{id: string, name: string, status: string, progress: number | null, message: string,
 *   output: string, dropped: number, startedAt: number | null, duration: number | null,
 *   result: any, error: string | null, retrying: string | null, tool: string | null,
 *   description: string, asks: boolean, number: number}} Step */

/** @typedef {{confirmed: boolean, reason: string, sent: boolean, told: boolean}} Decision what was
 *   answered here; whether it may have reached the server, and whether the server has said so */

/** @typedef {{stepId: string, stepName: string, reason: string, expiresAt: number | null,
 *   confirmationId?: string, decided: Decision | null, complaint?: string}} Question */

/** @typedef {{id: string, text: string | null, state: string, sentAt: number | null,
 *   taken: boolean, note: string, startedAt: number | null, cancelling: number | null, question: Question | null, end: any, error: string | null,
 *   steps: Map<string, Step>, order: string[], outputs: number}} Task */

export class Model {
  constructor() {
    /** @type {Map<string, Task>} the oldest first */
    this.tasks = new Map();
    /** @type {{at: number, type: string, taskId: string | null, text: string}[]} */
    this.log = [];
    this.logged = 0;
    /** @type {(task: Task, step?: Step) => void} */
    this.touched = () => {};
    /** @type {(task: Task, why: string, asked: Question) => void} */
    this.questionClosed = () => {};
    this.logTouched = () => {};
    this._skew = 0;
    this._skewKnown = false;
    /** @type {Set<string> | null} the tasks that the present catch-up has told of */
    this._told = null;
  }

  /** The server's clock, as far as its messages tell. */
  now() {
    return Date.now() - this._skew;
  }

  /** A task that is about to be sent. @param {string} text @returns {Task} */
  submitting(text) {
    const task = this._task(newId());
    task.text = text;
    this.touched(task);
    return task;
  }

  /** From here on the server may have it. @param {Task} task */
  sending(task) {
    task.sentAt ??= this.now();
    task.startedAt ??= task.sentAt;
    this.touched(task);
  }

  /** @param {Task} task @param {string} outcome */
  accepted(task, outcome) {
    task.taken = true;
    if (task.state !== "submitting") return;
    task.state = outcome === "queued" ? "queued" : "planning";
    this.touched(task);
  }

  /** @param {Task} task @param {string} why */
  refused(task, why) {
    if (task.state !== "submitting") return;
    task.state = "refused";
    task.error = why;
    task.cancelling = null;
    this.touched(task);
  }

  /** It is shown no more. @param {Task} task */
  remove(task) {
    this.tasks.delete(task.id);
    this.touched(task);
  }

  /** Somebody here wants it cancelled. @param {Task} task */
  cancelling(task) {
    task.cancelling ??= this.now();
    this.touched(task);
  }

  /** The cancel did not reach anybody. @param {Task} task */
  notCancelling(task) {
    task.cancelling = null;
    this.touched(task);
  }

  /** The session is over: what was sent and has not ended will not be heard of any more.
   * @param {string} why */
  lose(why) {
    const maybe = "Nobody has said whether the task had been taken: it may have run.";
    for (const task of this.tasks.values()) {
      if (task.state === "submitting" && task.sentAt === null) continue;
      this._lost(task, task.taken ? why : `${why} ${maybe}`);
    }
  }

  /** @param {Task} task */
  static hasEnded(task) {
    return ENDED.has(task.state);
  }

  /** Whether it is over here, and nobody has said that the server took it. @param {Task} task */
  static maySendAgain(task) {
    return ENDED.has(task.state) && !task.taken && task.text !== null;
  }

  /** @param {{type: string, data: any, id?: string, taskId?: string, timestamp?: number, replay?: boolean}} message */
  apply(message) {
    const { type, data = {}, id, taskId, replay } = message;
    if (typeof message.timestamp === "number" && !replay) this._setClock(message.timestamp);
    this._note(message);
    // A catch-up begins here, and ends with a status that is told again or with the first event.
    if (type === "connected") this._told = data.resumed ? null : new Set();
    else if (type === "gap") this._told = new Set();
    else if (!replay && id !== undefined) this._told = null;
    if (replay && taskId) this._told?.add(taskId);
    const known = taskId !== undefined && (this.tasks.has(taskId) || type !== "status" || data.state !== "idle");
    if (taskId && known && !["ack", "error"].includes(type)) this._applyTo(this._task(taskId), message);
    if (replay && type === "status" && this._told) {
      for (const task of this.tasks.values()) {
        if (this._told.has(task.id) || ["submitting", "queued"].includes(task.state)) continue;
        this._lost(task, "It ended while this page was not connected, and the server does not tell of it any more.");
      }
      this._told = null;
    }
  }

  /** @param {Task} task @param {any} message */
  _applyTo(task, { type, data = {}, timestamp, replay }) {
    if (task.state === "refused" && ["plan:created", "step:start"].includes(type)) {
      // It was sent over two connections, and only one of the two came at a bad time.
      Object.assign(task, { state: "submitting", error: null });
    }
    const at = replay ? null : (timestamp ?? this.now());
    if (ENDED.has(task.state) && type !== "task:complete" && !(replay && type === "plan:created")) return;
    task.taken = true;
    if (task.startedAt === null && !replay) task.startedAt = at;
    // A step is told to have started before its question is told again: that closes nothing.
    if (!(replay && type === "step:start")) this._closeQuestion(task, type, data);
    const step = data.stepId === undefined ? undefined : this._step(task, data);
    switch (type) {
      case "status":
        if (data.state === "planning" || data.state === "executing") {
          task.state = data.state === "planning" ? "planning" : "running";
        }
        if (data.cancelling) task.cancelling ??= this.now();
        task.note = String(data.message ?? "");
        break;
      case "plan:created":
      case "plan:updated":
        this._plan(task, data.plan?.steps ?? []);
        break;
      case "step:start":
        task.state = "running";
        Object.assign(step, { status: "running", startedAt: at, error: null, message: "" });
        break;
      case "step:progress":
        Object.assign(step, { progress: Number(data.progress), message: String(data.message ?? "") });
        break;
      case "step:output":
        this._output(task, step, String(data.text ?? ""));
        break;
      case "step:complete":
        Object.assign(step, {
          status: data.result?.status ?? "success",
          duration: data.result?.duration ?? null,
          result: data.result ?? null,
          retrying: null,
        });
        break;
      case "step:error":
        if (data.willRetry) {
          Object.assign(step, { retrying: String(data.error), progress: null });
        } else {
          step.status = data.error === "cancelled" ? "cancelled" : "failed";
          step.error = data.error === "cancelled" ? null : String(data.error);
          step.retrying = null;
          if (step.startedAt !== null) step.duration ??= (at ?? this.now()) - step.startedAt;
        }
        break;
      case "waiting:confirmation":
        task.state = "waiting";
        this._ask(task, data);
        break;
      case "task:complete":
        task.state = data.outcome ?? (data.success ? "succeeded" : "failed");
        task.end = data;
        task.error = data.error ?? null;
        task.cancelling = null;
        break;
      default:
    }
    this.touched(task, step);
  }

  /** @param {Task} task @param {any} data */
  _ask(task, data) {
    const asked = task.question;
    const again = asked?.stepId === data.stepId && asked?.confirmationId === data.confirmationId;
    if (asked && !again) this.questionClosed(task, "answered", asked);
    // The first answer counts, also when the question is told again before it has arrived.
    task.question = { ...data, decided: again ? asked.decided : null };
  }

  /** Whatever is said of a step or its task after its question answers it.
   * @param {Task} task @param {string} type @param {any} data */
  _closeQuestion(task, type, data) {
    const asked = task.question;
    if (!asked || type === "waiting:confirmation" || type.startsWith("plan:")) return;
    if (type === "status" && (data.cancelling || data.state === "waiting")) return;
    if (type !== "status" && type !== "task:complete" && data.stepId !== asked.stepId) return;
    task.question = null;
    const expired = asked.expiresAt !== null && this.now() >= asked.expiresAt - 250;
    const withdrawn = type === "task:complete" || (type === "step:error" && data.error === "cancelled");
    const rejected = type === "step:error" && String(data.error).startsWith("rejected");
    if (task.state === "waiting") task.state = "running";
    const why = rejected ? "rejected" : expired ? "expired" : withdrawn ? "withdrawn" : "answered";
    this.questionClosed(task, why, asked);
  }

  /** @param {Task} task @param {any[]} steps */
  _plan(task, steps) {
    task.order = steps.map((each) => String(each.id));
    for (const given of steps) {
      const step = this._step(task, { stepId: given.id, stepName: given.name });
      step.name = String(given.name);
      step.description = String(given.description ?? "");
      step.tool = given.tool ?? null;
      step.asks = Boolean(given.needConfirmation);
      step.status = given.status ?? step.status;
      step.duration = given.duration ?? step.duration;
      step.progress = given.progress ?? step.progress;
      step.result = given.result ?? step.result;
      step.error = given.error ?? step.error;
      this.touched(task, step);
    }
    const kept = new Set(task.order);
    for (const id of task.steps.keys()) if (!kept.has(id)) task.steps.delete(id);
    task.order.forEach((id, at) => { task.steps.get(id).number = at + 1; });
    if (["submitting", "queued"].includes(task.state)) task.state = "planning";
  }

  /** @param {Task} task @param {Step} step @param {string} text */
  _output(task, step, text) {
    step.output += text;
    task.outputs += text.length;
    if (step.output.length > MOST_OUTPUT) this._drop(task, step, step.output.length - MOST_OUTPUT);
    for (const other of task.outputs > MOST_OUTPUT_OF_TASK ? task.steps.values() : []) {
      if (other !== step && other.output) this._drop(task, other, other.output.length);
      if (task.outputs <= MOST_OUTPUT_OF_TASK) break;
    }
  }

  /** @param {Task} task @param {Step} step @param {number} characters */
  _drop(task, step, characters) {
    step.output = step.output.slice(characters);
    step.dropped += characters;
    task.outputs -= characters;
    this.touched(task, step);
  }

  /** @param {string} id @returns {Task} */
  _task(id) {
    let task = this.tasks.get(id);
    if (!task) {
      task = {
        id, text: null, state: "submitting", sentAt: null, taken: false, note: "",
        startedAt: null, cancelling: null, question: null, end: null, error: null, steps: new Map(),
        order: [], outputs: 0,
      };
      this.tasks.set(id, task);
      for (const old of this.tasks.values()) {
        if (this.tasks.size <= MOST_TASKS) break;
        if (ENDED.has(old.state)) this.tasks.delete(old.id);
      }
    }
    return task;
  }

  /** @param {Task} task @param {any} data @returns {Step} */
  _step(task, { stepId, stepName }) {
    const id = String(stepId);
    let step = task.steps.get(id);
    if (!step) {
      step = {
        id, name: String(stepName ?? id), status: "pending", progress: null, message: "", output: "",
        dropped: 0, startedAt: null, duration: null, result: null, error: null, retrying: null,
        tool: null, description: "", asks: false, number: task.steps.size + 1,
      };
      task.steps.set(id, step);
      if (!task.order.includes(id)) task.order.push(id);
    }
    return step;
  }

  /** @param {Task} task @param {string} why */
  _lost(task, why) {
    if (ENDED.has(task.state)) return;
    task.state = "lost";
    task.error = why;
    task.cancelling = null;
    const asked = task.question;
    if (asked) {
      task.question = null;
      if (asked.decided && !asked.decided.told) {
        task.error = `${why} Your answer (${asked.decided.confirmed ? "yes" : "no"}) may not have reached it.`;
      }
      this.questionClosed(task, "lost", asked);
    }
    for (const step of task.steps.values()) {
      if (step.status !== "running" && step.status !== "pending") continue;
      step.status = "lost";
      this.touched(task, step);
    }
    this.touched(task);
  }

  /** @param {number} timestamp */
  _setClock(timestamp) {
    const late = Date.now() - timestamp;
    // What took least on its way tells best what the other clock shows.
    if (!this._skewKnown || late < this._skew) this._skew = late;
    this._skewKnown = true;
  }

  /** @param {any} message */
  _note({ type, data = {}, taskId, timestamp, replay }) {
    if (type === "pong" || type === "ack") return;
    const told = data.message ?? data.text ?? data.error ?? data.stepName ?? data.outcome ?? "";
    let text = typeof told === "string" ? told : JSON.stringify(told);
    if (type === "gap") text = data.missed === null ? "some events are missing" : `${data.missed} events are missing`;
    if (type === "step:progress") text = `${data.progress} % ${data.message ?? ""}`;
    if (type.startsWith("plan:")) text = `${data.plan?.steps?.length ?? 0} steps`;
    if (type === "connected") text = data.resumed ? "resumed" : "the present state follows";
    this.addToLog(type, `${replay ? "(told again) " : ""}${oneLine(text)}`, taskId, timestamp);
  }

  /** @param {string} type @param {string} text @param {string | null} taskId @param {number} at */
  addToLog(type, text, taskId = null, at = this.now()) {
    this.log.push({ at, type, taskId, text });
    this.logged += 1;
    if (this.log.length > MOST_LOG) this.log.splice(0, this.log.length - MOST_LOG);
    this.logTouched();
  }

  /** All of it, as JSON has it. */
  snapshot() {
    const tasks = Array.from(this.tasks.values(), (task) => ({ ...task, steps: [...task.steps.values()] }));
    return { tasks, log: this.log, logged: this.logged, skew: this._skew };
  }

  /** @param {any} kept what `snapshot` gave */
  restore({ tasks, log, logged, skew }) {
    for (const task of tasks) {
      const steps = new Map(task.steps.map((/** @type {Step} */ step) => [step.id, step]));
      this.tasks.set(task.id, { ...task, steps });
    }
    Object.assign(this, { log, logged, _skew: skew, _skewKnown: true });
  }
}
