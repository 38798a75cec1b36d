/**
 * One connection over SSE: a stream of events, and commands as requests beside it.
 *
 * **`fetch`, and not `EventSource`.** An `EventSource` tells neither the status nor the
 * `Retry-After` of a refusal (it gives up at any), cannot send a token (every reconnect by
 * itself would use up a ticket in vain), hides the comments that show that a silent server
 * lives, and comes back without a growing delay. Reading the stream takes the lines below.
 *
 * **Order.** The events of the stream arrive in order, and so do the messages of one answer;
 * between the two there is no order. A command is sent when those before it were answered.
 * A cancel is answered when the work has ended, which may take long: what follows it waits
 * for `HEAD_START` at most.
 *
 * **Failure.** A request that breaks may have arrived or not. It is sent again, as the
 * contract allows, for as long as the stream lives and somebody waits for its answer; when
 * the stream ends too, it is sent over the next one.
 *
 * `retry:` is not heeded: it is for an `EventSource`.
 *
 * @module
 */

/** @import { Pending } from "./commands.js" */
/** @import { Failure } from "./errors.js" */
/** @import { Http } from "./http.js" */
/** @import { Attachment, Command, LinkEvents } from "./messages.js" */

import {
  AgentError,
  errorOf,
  maySendAgain,
  passing,
  refused,
  sessionLost,
  wrongPeer,
} from "./errors.js";
import { json } from "./http.js";
import { failureOf } from "./sockets.js";

/** More milliseconds than a request takes to arrive. */
const HEAD_START = 250;

/** Milliseconds between two attempts at one request: it doubles up to the second. */
const AGAIN = [250, 4000];

/** So many connections in a row cannot have been lost just when they were made. */
const MAX_STRAYS = 3;

/** @type {Record<Command["type"], string>} */
const PATHS = {
  "task:submit": "/task",
  "task:cancel": "/cancel",
  "step:confirm": "/confirm",
  "get:tools": "/tools",
};

export class StreamLink {
  #over = new AbortController();
  #http;
  #events;
  /** @type {string | null} */
  #clientId = null;
  #queue = Promise.resolve();

  /**
   * @param {Http} http
   * @param {Attachment} attachment
   * @param {LinkEvents} events
   */
  constructor(http, attachment, events) {
    this.#http = http;
    this.#events = events;
    this.#follow(attachment).catch((error) => this.#end(failureOf(error)));
  }

  /** @param {Pending} pending */
  send(pending) {
    this.#queue = this.#queue.then(() => this.#carry(pending));
  }

  /** Have the server say something: it does so by itself, and cannot be asked. */
  ask() {}

  /** End it; nothing more is told of it. */
  close() {
    this.#over.abort();
  }

  /** @param {Attachment} attachment */
  async #follow({ session, position }) {
    const query = new URLSearchParams();
    if (session !== null) query.set("session", session);
    if (position !== null) query.set("lastEventId", position);
    const options = { query, accept: "text/event-stream", signal: this.#over.signal };
    const response = await this.#http.request("/sse", options);
    const kind = response.headers.get("Content-Type") ?? "";
    if (response.status !== 200) {
      const error = errorOf(response, await json(response));
      const lost = response.status === 204 || error.code === "unknown_session";
      return this.#end(lost ? sessionLost("the session is over") : refused(error));
    }
    if (!response.body || !/^text\/event-stream\b/i.test(kind)) {
      return this.#end(wrongPeer("what answers there is no stream of events"));
    }
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const lines = new Lines();
    let data = "";
    for (;;) {
      const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
      if (done) return this.#end(passing("the stream has ended"));
      this.#events.heard();
      for (const line of lines.feed(decoder.decode(value, { stream: true }))) {
        if (this.#over.signal.aborted) return;
        if (line === "" && data !== "") {
          this.#hear(data);
          data = "";
        } else if (line.startsWith("data:")) {
          // The server writes one line of data per event; more of them would be joined so.
          data += (data && "\n") + line.slice(line[5] === " " ? 6 : 5);
        }
      }
    }
  }

  /** @param {string} data */
  #hear(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return this.#end(wrongPeer("the server has sent something that is not JSON"));
    }
    if (message?.type === "connected") this.#clientId = String(message.data?.clientId);
    this.#events.message(message);
  }

  /**
   * Send a request, again and again; returns when the next one may follow.
   *
   * @param {Pending} pending
   */
  async #carry(pending) {
    const answered = this.#untilAnswered(pending);
    if (pending.command.type !== "task:cancel") return answered;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const headStart = new Promise((resolve) => {
      timer = setTimeout(resolve, HEAD_START);
    });
    await Promise.race([answered, headStart]);
    clearTimeout(timer);
  }

  /** @param {Pending} pending */
  async #untilAnswered(pending) {
    const unwanted = AbortSignal.any([this.#over.signal, pending.settled]);
    let [pause, longest] = /** @type {[number, number]} */ (AGAIN);
    while (!unwanted.aborted) {
      try {
        pending.timesSent += 1;
        if (await this.#ask(pending, unwanted)) return;
      } catch (error) {
        if (error instanceof AgentError && error.code === "unauthorized") {
          return this.#refuse(pending, error);
        }
        // It broke, and may have arrived or not.
      }
      await sleep(pause * (0.5 + Math.random() / 2), unwanted);
      pause = Math.min(2 * pause, longest);
    }
  }

  /**
   * @param {Pending} pending
   * @param {AbortSignal} signal
   * @returns {Promise<boolean>} whether there was an answer
   */
  async #ask(pending, signal) {
    const { type, requestId, data } = pending.command;
    const body = type === "get:tools" ? undefined : { ...data, clientId: this.#clientId };
    const response = await this.#http.request(PATHS[type], { body, signal });
    const told = await json(response);
    if (signal.aborted) return true;
    if (told?.success !== true) {
      if (typeof told?.success !== "boolean" && maySendAgain(response.status)) return false;
      const error = errorOf(response, told);
      if (error.code === "unknown_session" && ++this.#http.strays < MAX_STRAYS) {
        this.#end(passing("the server does not know the stream of a command", error.code));
      } else {
        this.#refuse(pending, error);
      }
      return true;
    }
    this.#http.strays = 0;
    const { messages = [], tools, taskId, outcome = "ok", receipt, receipts } = told;
    for (const each of messages) this.#events.message(each);
    if (tools !== undefined) this.#events.message({ type: "tools:list", data: { tools } });
    const answer = { outcome, ...(receipt && { receipt }), ...(receipts && { receipts }) };
    this.#events.message({ type: "ack", requestId, data: answer, taskId });
    return true;
  }

  /**
   * Tell it as over a WebSocket.
   *
   * @param {Pending} pending
   * @param {AgentError} error
   */
  #refuse({ command: { requestId } }, { code, message, status, retryAfter }) {
    const data = { code, message, status, retryAfter, requestId };
    this.#events.message({ type: "error", requestId, data });
  }

  /** @param {Failure} failure */
  #end(failure) {
    if (this.#over.signal.aborted) return;
    this.close();
    this.#events.over(failure);
  }
}

/** Cuts text into lines, however it arrives; a line ends with CR, LF or both. */
class Lines {
  /** @type {string[]} */
  #pieces = [];
  #afterReturn = false;

  /**
   * The lines that are complete now.
   *
   * @param {string} text
   * @returns {string[]}
   */
  feed(text) {
    if (this.#afterReturn && text.startsWith("\n")) text = text.slice(1);
    if (text !== "") this.#afterReturn = text.endsWith("\r");
    const [first = "", ...others] = text.split(/\r\n|\r|\n/);
    this.#pieces.push(first);
    if (others.length === 0) return [];
    const lines = [this.#pieces.join(""), ...others];
    this.#pieces = [lines.pop() ?? ""];
    return lines;
  }
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} signal ends it early
 * @returns {Promise<void>}
 */
function sleep(milliseconds, signal) {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
  });
}
