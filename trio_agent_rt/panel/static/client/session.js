/**
 * What a client knows of its session: a fold over all that the server says. No I/O.
 *
 * ```
 *             connected, resumed                 a live event: next, duplicate or hole
 *  begin() ─────────────────────────▶ following ◀──────────────┐
 *     │                                   │ gap               │ status (replay)
 *     │ connected, not resumed            ▼                   │
 *     │        ┌───────────────────▶ catching up ─────────────┘
 *     │        │ (a session that was there before)
 *     └────────┴── a fresh session: its first status has a position, and then it is ready
 * ```
 *
 * Each live event is told once and in order. A duplicate is dropped; a hole that the server
 * did not announce is refused, so that the connection is made again from the last position.
 * After a gap the position starts anew with the next live event.
 *
 * @module
 */

/** @import { Failure } from "./errors.js" */
/** @import { Connected, Gap, Message } from "./messages.js" */

import { passing, sessionLost, wrongPeer } from "./errors.js";

/** How many ended tasks to remember, to tell no end twice. */
const ENDED_TASKS = 100;

export class Session {
  /** @type {string | null} */
  id;
  /** Of the last live event; what a reconnect asks to go on from. @type {string | null} */
  position;
  /** Whether commands can be sent: this connection is up, and there is a way back. */
  ready = false;
  /** Whether this connection brought anything new. */
  progressed = false;

  /** @type {string | null} */
  #last;
  #attachedBefore = false;
  #catchingUp = false;
  /** @type {Set<string>} */
  #ended = new Set();
  /** Open questions: their `confirmationId`, by task and step. @type {Map<string, string>} */
  #questions = new Map();

  /**
   * @param {string | null} id
   * @param {string | null} position
   */
  constructor(id, position) {
    this.id = id;
    this.position = this.#last = position;
  }

  /** There is a new connection, and nothing was said on it yet. */
  begin() {
    this.ready = this.progressed = this.#catchingUp = false;
  }

  /**
   * Take in the first message of a connection.
   *
   * @param {Connected} message
   * @returns {Failure | Gap | null} a gap that the server cannot know of
   */
  greet({ data, timestamp }) {
    if (data.protocolVersion !== 1) {
      const version = data.protocolVersion;
      return wrongPeer(`the server speaks version ${version} of the protocol, the client version 1`);
    }
    if (this.id !== null && this.id !== data.sessionId) {
      return sessionLost("the server has attached the client to another session");
    }
    const fresh = this.id === null;
    const hidden = !fresh && !data.resumed && this.#attachedBefore && this.position === null;
    this.id = data.sessionId;
    this.#attachedBefore = true;
    if (data.resumed) this.ready = true;
    else this.#questions.clear();
    if (!data.resumed && !fresh) this.#catchingUp = true;
    // There was no position to go on from, so the server cannot tell how much was missed.
    return hidden ? { type: "gap", data: { missed: null }, timestamp } : null;
  }

  /**
   * Take in another message that answers no command.
   *
   * @param {Message} message
   * @returns {Failure | boolean} whether to tell it
   */
  take(message) {
    if (message.type === "gap") {
      this.#catchingUp = true;
      this.#last = null;
      this.#questions.clear();
      return true;
    }
    if (message.id !== undefined) {
      const step = follows(this.#last, message.id);
      if (step === "duplicate") return false;
      if (step === "hole") return passing("events were missing");
      this.#last = this.position = message.id;
      this.progressed = true;
    } else if (message.type === "task:complete" && !this.#catchingUp) {
      // Told again, because a submit was sent again; it may be the first time here.
      if (this.#ended.has(message.taskId ?? "")) return false;
    }
    this.#learn(message);
    return true;
  }

  /**
   * The open question of a step, if there is one that must be meant.
   *
   * @param {string} stepId
   * @param {string | undefined} taskId
   * @returns {string | undefined} its `confirmationId`
   */
  question(stepId, taskId) {
    const found = [...this.#questions].filter(([each]) => {
      const [task, step] = JSON.parse(each);
      return step === stepId && (taskId === undefined || task === taskId);
    });
    return found.length === 1 ? found[0]?.[1] : undefined;
  }

  /** @param {Message} message */
  #learn(message) {
    const { type, taskId } = message;
    if (type === "status") {
      this.ready = true;
      if (message.id === undefined) this.#catchingUp = false;
    } else if (type === "waiting:confirmation") {
      const { stepId, confirmationId } = message.data;
      if (confirmationId !== undefined) this.#questions.set(key(taskId, stepId), confirmationId);
    } else if (type === "step:complete" || type === "step:error") {
      this.#questions.delete(key(taskId, message.data.stepId));
    } else if (type === "task:complete" && taskId !== undefined) {
      for (const each of this.#questions.keys()) {
        if (JSON.parse(each)[0] === taskId) this.#questions.delete(each);
      }
      this.#ended.delete(taskId);
      this.#ended.add(taskId);
      for (const each of this.#ended) {
        if (this.#ended.size > ENDED_TASKS) this.#ended.delete(each);
      }
    }
  }
}

/**
 * Whether `position` comes next after `last`, was seen before, or leaves a hole.
 *
 * @param {string | null} last null: anything comes next, the viewer starts here
 * @param {string} position
 * @returns {"next" | "duplicate" | "hole"}
 */
function follows(last, position) {
  if (last === null) return "next";
  const [before, now] = [parse(last), parse(position)];
  if (now.epoch !== before.epoch || now.offset > before.offset + 1) return "hole";
  return now.offset === before.offset + 1 ? "next" : "duplicate";
}

/**
 * @param {string | undefined} taskId
 * @param {string} stepId
 */
function key(taskId, stepId) {
  return JSON.stringify([taskId, stepId]);
}

/** @param {string} position */
function parse(position) {
  const at = position.lastIndexOf("-");
  return { epoch: position.slice(0, at), offset: Number(position.slice(at + 1)) };
}

/**
 * Whether it is a message of this protocol, as far as a client must know.
 *
 * @param {unknown} given
 * @returns {given is Message}
 */
export function isMessage(given) {
  const { type, data } = /** @type {{type?: unknown, data?: unknown}} */ (given ?? {});
  return typeof type === "string" && typeof data === "object" && data !== null;
}
