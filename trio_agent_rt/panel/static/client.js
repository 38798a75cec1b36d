/**
 * A client of trio_agent_rt for browsers: one session of a server, over a WebSocket or over SSE.
 *
 * ```
 *  closed ──connect()──▶ connecting ──────ready──────▶ open
 *    ▲                     │     ▲                      │ cut
 *    │ final, or close()   ▼     │ delay over, online,  ▼
 *    └──────────────────waiting──┘ visible          waiting
 * ```
 *
 * A cut connection is made again, and goes on after the last event: every event is told once
 * and in order, or a `gap` says so. Commands that were in flight are sent again where they
 * were cut; none is carried out twice.
 *
 * No dependencies, no build step: import it from wherever it lies, with the folder `client`
 * beside it.
 *
 * @module
 */

/** @import { Failure } from "./client/errors.js" */
/** @import { AgentClientOptions, Answer, Command, Context, Gap, Message, State, StateDetail, ToolInfo } from "./client/messages.js" */

import { Commands, newId, outcomeOf } from "./client/commands.js";
import { AgentError, passing, wrongPeer } from "./client/errors.js";
import { Http } from "./client/http.js";
import { Pulse } from "./client/pulse.js";
import { Session, isMessage } from "./client/session.js";
import { SocketLink, socketUrl } from "./client/sockets.js";
import { StreamLink } from "./client/streams.js";

export { AgentError };

/** A connection that held so many milliseconds was a good one, even if nothing happened on
 * it. One that is cut at once, again and again, must not be retried without a growing delay. */
const PROVEN_AFTER = 5000;

/**
 * One session on a server: follow it, submit tasks, answer their questions.
 *
 * | event | `detail` |
 * |---|---|
 * | `message` | a wire message, as it is: every event of the session, once and in order, and what tells the present state (`connected`, messages with `replay: true`) |
 * | `gap` | the server's `gap`: events were lost, and the present state follows |
 * | `state` | `{state, attempt, retryIn, error}`, when the connection comes, goes or waits |
 *
 * A listener that throws is reported as browsers do, and disturbs nothing else.
 */
export class AgentClient extends EventTarget {
  #options;
  #http;
  /** @type {URL | null} */
  #websocketUrl;
  #session;
  #commands;
  /** @type {ToolInfo[]} */
  #tools = [];
  /** @type {SocketLink | StreamLink | null} */
  #link = null;
  /** @type {Pulse | null} */
  #pulse = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #greeted = false;
  #openSince = 0;
  /** Whether the server has asked to be left alone until the timer is over. */
  #told = false;
  /** @type {StateDetail} */
  #now = { state: "closed", attempt: 0, retryIn: null, error: null };

  /**
   * @param {AgentClientOptions} options
   * @throws {TypeError} when they make no sense
   */
  constructor(options) {
    super();
    const {
      transport = "websocket",
      websocketUrl = null,
      httpUrl = null,
      token = null,
      credentials = false,
      session = null,
      since = null,
      connectTimeout = 10_000,
      commandTimeout = 30_000,
      maxCommandBytes = 1024 * 1024,
      backoff = { base: 500, cap: 30_000 },
    } = options;
    if (transport !== "websocket" && transport !== "sse") {
      throw new TypeError(`transport: expected "websocket" or "sse", got ${transport}`);
    }
    const [needed, url] =
      transport === "sse" ? ["httpUrl", httpUrl] : ["websocketUrl", websocketUrl];
    if (url === null) throw new TypeError(`${needed}: ${transport} needs it`);
    this.#options = { transport, connectTimeout, backoff };
    this.#websocketUrl = websocketUrl === null ? null : socketUrl(websocketUrl);
    this.#http = new Http(httpUrl, token, credentials);
    this.#session = new Session(session, since);
    this.#commands = new Commands({ maxBytes: maxCommandBytes, timeout: commandTimeout });
  }

  /** `"websocket"` or `"sse"`. */
  get transport() {
    return this.#options.transport;
  }

  /** `"connecting"`, `"open"`, `"waiting"` (to connect again) or `"closed"`. @returns {State} */
  get state() {
    return this.#now.state;
  }

  /** The session's id, or null before it has one; to resume it, hand it to another client. */
  get session() {
    return this.#session.id;
  }

  /** The position of the last event, or null; to resume after it, hand it to another client. */
  get since() {
    return this.#session.position;
  }

  /**
   * Connect, and stay so until `close()` or a refusal that is final. After `closed` it goes on
   * where it was; if the error was `unknown_session`, with a new session.
   */
  connect() {
    if (this.state !== "closed") return;
    if (this.#now.error?.code === "unknown_session") this.#session = new Session(null, null);
    globalThis.addEventListener?.("online", this.#onOnline);
    globalThis.document?.addEventListener("visibilitychange", this.#onVisible);
    this.#begin(0);
  }

  /** Leave: nothing is heard any more, and unanswered commands are rejected. Tasks go on. */
  close() {
    if (this.state !== "closed") this.#finish(null);
  }

  /** Do not wait any longer before the next attempt. */
  reconnectNow() {
    if (this.state === "waiting") this.#begin(this.#now.attempt);
    else this.connect();
  }

  /**
   * Start a task; resolves when the server has taken it.
   *
   * @param {string} task what to do, in words
   * @param {{taskId?: string, context?: Context}} [options] the same `taskId` never starts twice;
   *   without one it is a new random one
   * @returns {Promise<Answer & {taskId: string}>} its `outcome` is `accepted`, `queued` or
   *   `already_accepted`
   * @throws {AgentError} `busy`, `rate_limited`, …; `timed_out`, `closed`
   */
  async submit(task, { taskId = newId(), context } = {}) {
    await this.#commands.notCancellingAll();
    const answer = await this.#issue("task:submit", { task, taskId, context }).answer;
    return { ...answer.data, taskId };
  }

  /**
   * Cancel a task, or without `taskId` every task of the session; resolves when the work has
   * ended, however long that takes.
   *
   * @param {{taskId?: string, reason?: string}} [options]
   * @returns {Promise<Answer>} its `outcome` is `cancelled`, with `receipt` or `receipts`,
   *   `already_ended` or `unknown`
   * @throws {AgentError}
   */
  async cancel({ taskId, reason } = {}) {
    const data = { taskId, reason };
    return outcomeOf(this.#issue("task:cancel", data, { bounded: false }));
  }

  /**
   * Answer the question of a step.
   *
   * @param {object} answer
   * @param {string} answer.stepId
   * @param {boolean} answer.confirmed
   * @param {string} [answer.confirmationId] of the question, so that no other one of the same
   *   step is answered; without it the one that was told last and is open
   * @param {string} [answer.taskId]
   * @param {string} [answer.reason]
   * @returns {Promise<Answer>} its `outcome` is `applied`, `already_decided`, `expired` or
   *   `unknown`
   * @throws {AgentError}
   */
  async confirm({ stepId, confirmed, confirmationId, taskId, reason }) {
    if (typeof confirmed !== "boolean") throw new TypeError("confirmed: expected true or false");
    confirmationId ??= this.#session.question(stepId, taskId);
    const data = { stepId, approved: confirmed, reason, taskId, confirmationId };
    const pending = this.#issue("step:confirm", data);
    const answer = await outcomeOf(pending);
    // It was sent again, so this most likely speaks of its own first arrival.
    const own = answer.outcome === "already_decided" && pending.timesSent > 1;
    return own ? { ...answer, outcome: "applied" } : answer;
  }

  /**
   * What the agent can use.
   *
   * @returns {Promise<ToolInfo[]>}
   * @throws {AgentError}
   */
  async tools() {
    await this.#issue("get:tools").answer;
    return this.#tools;
  }

  /**
   * @param {Command["type"]} type
   * @param {Record<string, unknown>} [data]
   * @param {{bounded?: boolean}} [options]
   */
  #issue(type, data, options) {
    if (this.state === "closed") throw this.#now.error ?? wasClosed();
    const pending = this.#commands.issue(type, data, options);
    this.#send();
    return pending;
  }

  #send() {
    if (!this.#session.ready || !this.#link) return;
    for (const each of this.#commands.take()) this.#link.send(each);
  }

  /** @param {number} attempt how many attempts in a row have failed */
  #begin(attempt) {
    clearTimeout(this.#timer);
    this.#greeted = false;
    this.#session.begin();
    this.#commands.startOver();
    const { transport, connectTimeout } = this.#options;
    /** @type {() => boolean} */
    const current = () => link === this.#link;
    const events = {
      message: (/** @type {unknown} */ message) => void (current() && this.#hear(message)),
      heard: () => void (current() && this.#pulse?.heard()),
      over: (/** @type {Failure} */ failure) => void (current() && this.#cut(failure)),
    };
    const attachment = { session: this.#session.id, position: this.#session.position };
    const link =
      transport === "sse" || !this.#websocketUrl
        ? new StreamLink(this.#http, attachment, events)
        : new SocketLink(this.#websocketUrl, this.#http, attachment, events);
    this.#link = link;
    const late = passing("the server has not answered in time", "timed_out");
    this.#timer = setTimeout(() => this.#cut(late), connectTimeout);
    this.#tell("connecting", { attempt });
  }

  /** @param {unknown} given */
  #hear(given) {
    if (!isMessage(given)) {
      return this.#cut(wrongPeer("the server has sent a message that is not of this protocol"));
    }
    const link = this.#link;
    const message = given;
    const was = this.#session.ready;
    if (!this.#greeted) {
      if (message.type !== "connected") {
        return this.#cut(wrongPeer("the first message of the server is not `connected`"));
      }
      this.#greeted = true;
      const found = this.#session.greet(message);
      if (found && "error" in found) return this.#cut(found);
      this.#watch(1000 * message.data.heartbeatInterval);
      this.#dispatch("message", message);
      if (found && link === this.#link) this.#dispatch("gap", found);
    } else if (message.type === "ack") {
      this.#session.progressed = true;
      this.#commands.answered(message.requestId, message);
    } else if (message.type === "error" && message.requestId !== undefined) {
      this.#session.progressed = true;
      const { code, message: text, ...more } = message.data;
      this.#commands.answered(message.requestId, new AgentError(code, text, more));
    } else if (message.type === "tools:list") {
      this.#tools = message.data.tools;
    } else if (message.type !== "pong") {
      const tell = this.#session.take(message);
      if (typeof tell === "object") return this.#cut(tell);
      if (tell) this.#dispatch(message.type === "gap" ? "gap" : "message", message);
    }
    if (link === this.#link && this.#session.ready && !was) this.#open();
  }

  #open() {
    clearTimeout(this.#timer);
    this.#openSince = Date.now();
    this.#send();
    this.#tell("open", { attempt: this.#now.attempt });
  }

  /** @param {number} interval milliseconds; 0 or less for a server that does not say */
  #watch(interval) {
    if (!(interval > 0)) return;
    const silence = passing("the server has fallen silent", "timed_out");
    this.#pulse = new Pulse(
      interval,
      () => this.#link?.ask(),
      () => this.#cut(silence),
    );
  }

  /**
   * The connection has ended.
   *
   * @param {Failure} failure
   */
  #cut({ error, final, pause }) {
    const proven =
      this.state === "open" &&
      (this.#session.progressed || Date.now() - this.#openSince >= PROVEN_AFTER);
    this.#unlink();
    if (final) return this.#finish(error);
    const failed = proven ? 0 : this.#now.attempt;
    const { base, cap } = this.#options.backoff;
    // "Full jitter": a thousand clients of a server that restarts do not come back at once.
    const retryIn = pause + Math.random() * Math.min(cap, base * 2 ** Math.min(failed, 64));
    this.#told = pause > 0;
    this.#timer = setTimeout(() => this.#begin(failed + 1), retryIn);
    this.#tell("waiting", { attempt: failed + 1, retryIn, error });
  }

  #unlink() {
    clearTimeout(this.#timer);
    this.#pulse?.stop();
    this.#pulse = null;
    const link = this.#link;
    this.#link = null;
    link?.close();
    this.#session.begin();
  }

  /** @param {AgentError | null} error null: it was `close()` */
  #finish(error) {
    globalThis.removeEventListener?.("online", this.#onOnline);
    globalThis.document?.removeEventListener("visibilitychange", this.#onVisible);
    this.#unlink();
    this.#commands.fail(error ?? wasClosed());
    this.#tell("closed", { attempt: this.#now.attempt, error });
  }

  /**
   * @param {State} state
   * @param {Partial<StateDetail>} more
   */
  #tell(state, more) {
    this.#now = { state, attempt: 0, retryIn: null, error: null, ...more };
    this.#dispatch("state", this.#now);
  }

  /**
   * @param {string} type
   * @param {Message | Gap | StateDetail} detail
   */
  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #onOnline = () => {
    if (this.#mayHurry()) this.#begin(this.#now.attempt);
    // A stream cannot be asked whether it has outlived what happened; it is soon resumed.
    else if (this.state === "open" && this.#link instanceof StreamLink) this.#renew();
    else this.#pulse?.doubt();
  };

  #onVisible = () => {
    if (globalThis.document.visibilityState !== "visible") return;
    if (this.#mayHurry()) this.#begin(this.#now.attempt);
    else if (this.#link instanceof SocketLink) this.#pulse?.doubt();
  };

  #mayHurry() {
    return this.state === "waiting" && !this.#told;
  }

  #renew() {
    this.#unlink();
    this.#begin(this.#now.attempt);
  }
}

function wasClosed() {
  return new AgentError("closed", "the client was closed");
}
