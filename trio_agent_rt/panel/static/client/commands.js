/**
 * Commands on their way: each is carried out once and answered once, whatever is cut. No I/O.
 *
 * ```
 *  issue ──▶ waiting ──send──▶ unanswered ──ack or error──▶ answered
 *               ▲                  │
 *               └── reconnected ───┘   sent again under the same request id
 * ```
 *
 * That is harmless, because the contract makes every command safe to repeat: a submit has
 * a task id of the client's, an answer names its question, a cancelled task stays so.
 *
 * @module
 */

/** @import { Ack, Answer, Command } from "./messages.js" */

import { AgentError } from "./errors.js";

/**
 * What is escaped in JSON text: half of a character, for which no server has a place and which
 * none could even answer, or any other sign.
 */
const ESCAPED = /\\(?:ud[89a-f][0-9a-f]{2}|.)/gi;

/** A command that is not answered yet. */
export class Pending {
  /** How often it was put on its way. */
  timesSent = 0;

  #settled = new AbortController();

  /** @type {(answer: Ack) => void} */
  #resolve = () => {};
  /** @type {(error: AgentError) => void} */
  #reject = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Command} command */
  constructor(command) {
    this.command = command;
    /** @type {Promise<Ack>} */
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Aborted when nobody waits for the answer any more. */
  get settled() {
    return this.#settled.signal;
  }

  /**
   * @param {number} milliseconds
   * @param {() => void} act
   */
  bound(milliseconds, act) {
    if (Number.isFinite(milliseconds)) this.#timer = setTimeout(act, milliseconds);
  }

  /** @param {Ack | AgentError} answer */
  settle(answer) {
    clearTimeout(this.#timer);
    if (answer instanceof AgentError) this.#reject(answer);
    else this.#resolve(answer);
    this.#settled.abort();
  }
}

/** The unanswered commands of one client, in the order in which they were issued. */
export class Commands {
  #count = 0;
  /** @type {Map<string, Pending>} */
  #unanswered = new Map();
  /** @type {Pending[]} */
  #toSend = [];
  #maxBytes;
  #timeout;

  /** @param {{maxBytes: number, timeout: number}} options bytes; milliseconds */
  constructor({ maxBytes, timeout }) {
    this.#maxBytes = maxBytes;
    this.#timeout = timeout;
  }

  /**
   * A command under a request id, to be sent as soon as there is a connection. What JSON cannot
   * hold in it is left out, and half of a character becomes the sign for one that is missing.
   *
   * @param {Command["type"]} type
   * @param {Record<string, unknown>} [data]
   * @param {{bounded?: boolean}} [options] whether the server must answer within the time-out
   * @returns {Pending}
   */
  issue(type, data = {}, { bounded = true } = {}) {
    const requestId = String(++this.#count);
    const command = { type, requestId, data };
    const text = JSON.stringify(command).replace(ESCAPED, (each) => (each.length > 2 ? "\ufffd" : each));
    const pending = new Pending(JSON.parse(text));
    const size = new TextEncoder().encode(text).length;
    if (size > this.#maxBytes) {
      // A server would close the connection for it, and for good.
      const limit = `at most ${this.#maxBytes} can be sent`;
      throw new AgentError("too_large", `the command has ${size} bytes; ${limit}`);
    }
    this.#unanswered.set(requestId, pending);
    this.#toSend.push(pending);
    pending.bound(bounded ? this.#timeout : Infinity, () => {
      const text = `the server has not answered within ${this.#timeout / 1000} s`;
      this.#settle(requestId, new AgentError("timed_out", text));
    });
    return pending;
  }

  /** There is a new connection: everything unanswered is to be sent, in order. */
  startOver() {
    this.#toSend = [...this.#unanswered.values()];
  }

  /** All that is to be sent now. */
  take() {
    const taken = this.#toSend.filter(({ settled }) => !settled.aborted);
    this.#toSend = [];
    return taken;
  }

  /**
   * The server has carried out a command, or refused it.
   *
   * @param {string} requestId
   * @param {Ack | AgentError} answer
   */
  answered(requestId, answer) {
    this.#settle(requestId, answer);
  }

  /**
   * There will be no connection any more.
   *
   * @param {AgentError} error
   */
  fail(error) {
    for (const requestId of [...this.#unanswered.keys()]) this.#settle(requestId, error);
  }

  /**
   * Resolves when no cancel of *every* task is unanswered. Such a cancel may have to be sent
   * again, and must not then hit a task that was submitted after it.
   */
  async notCancellingAll() {
    for (;;) {
      const cancel = [...this.#unanswered.values()].find(
        ({ command }) => command.type === "task:cancel" && command.data.taskId === undefined,
      );
      if (!cancel) return;
      await cancel.answer.catch(() => {});
    }
  }

  /**
   * @param {string} requestId
   * @param {Ack | AgentError} answer
   */
  #settle(requestId, answer) {
    const pending = this.#unanswered.get(requestId);
    this.#unanswered.delete(requestId);
    pending?.settle(answer);
  }
}

/**
 * What a command comes to.
 *
 * @param {Pending} pending
 * @returns {Promise<Answer>}
 */
export async function outcomeOf({ answer }) {
  try {
    return (await answer).data;
  } catch (error) {
    const unknown =
      error instanceof AgentError && ["unknown_task", "unknown_step"].includes(error.code);
    // Over HTTP, what a WebSocket is told by an `ack`.
    if (unknown) return { outcome: "unknown" };
    throw error;
  }
}

/** 128 random bits: unlike `crypto.randomUUID`, it is there without HTTPS too. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
}
