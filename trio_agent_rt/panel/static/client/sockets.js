/**
 * One connection over a WebSocket.
 *
 * A browser does not say why a handshake was refused: it looks like 1006. So what can be
 * asked over HTTP is asked there: a ticket beforehand, if there is a token, and otherwise
 * what the tools are, afterwards. That tells 401, 403, 429 and 503 from a network that broke.
 *
 * @module
 */

/** @import { Pending } from "./commands.js" */
/** @import { Failure } from "./errors.js" */
/** @import { Http } from "./http.js" */
/** @import { Attachment, LinkEvents } from "./messages.js" */

import { AgentError, closed, passing, refused, wrongPeer } from "./errors.js";

const PROTOCOL = "trio-agent-rt";

export class SocketLink {
  /** @type {WebSocket | null} */
  #socket = null;
  #opened = false;
  #over = new AbortController();
  #url;
  #http;
  #events;
  /** What the server complained of last, without naming a command. @type {AgentError | null} */
  #complaint = null;

  /**
   * @param {URL} url
   * @param {Http} http
   * @param {Attachment} attachment
   * @param {LinkEvents} events
   */
  constructor(url, http, attachment, events) {
    this.#url = new URL(url);
    this.#http = http;
    this.#events = events;
    const { session, position } = attachment;
    if (session !== null) this.#url.searchParams.set("session", session);
    if (position !== null) this.#url.searchParams.set("lastEventId", position);
    this.#open().catch((error) => this.#end(failureOf(error)));
  }

  /** @param {Pending} pending */
  send(pending) {
    pending.timesSent += 1;
    // If it is closing already this is lost without a word; what is unanswered is sent again.
    this.#socket?.send(JSON.stringify(pending.command));
  }

  /** Have the server say something. */
  ask() {
    if (this.#opened) this.#socket?.send(JSON.stringify({ type: "ping" }));
  }

  /** End it; nothing more is told of it. */
  close() {
    this.#over.abort();
    this.#socket?.close();
  }

  async #open() {
    const protocols = [PROTOCOL];
    const token = await this.#http.token();
    if (token !== null && this.#http.available) {
      this.#url.searchParams.set("ticket", await this.#http.ticket(this.#over.signal));
    } else if (token !== null) {
      protocols.push(`bearer.${encodeURIComponent(token).replace(/[()]/g, escape)}`);
    }
    if (this.#over.signal.aborted) return;
    let socket;
    try {
      socket = new WebSocket(this.#url, protocols);
    } catch (error) {
      // The page may not: a browser allows no ws: to a page that came by https:.
      const { message } = /** @type {DOMException} */ (error);
      return this.#end({ error: new AgentError("forbidden", message), final: true, pause: 0 });
    }
    this.#socket = socket;
    socket.onopen = () => {
      this.#opened = true;
    };
    socket.onmessage = ({ data }) => {
      if (!this.#over.signal.aborted) this.#hear(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.#opened) this.#end(closed(code, reason, this.#complaint));
      else void this.#find(token === null && this.#http.available);
    };
  }

  /** @param {unknown} data */
  #hear(data) {
    let message;
    try {
      message = JSON.parse(String(data));
    } catch {
      return this.#end(wrongPeer("the server has sent something that is not JSON"));
    }
    if (message?.type === "error" && message.requestId === undefined) {
      this.#complaint = new AgentError(String(message.data?.code), String(message.data?.message));
    }
    this.#events.heard();
    this.#events.message(message);
  }

  /**
   * Why the handshake has failed.
   *
   * @param {boolean} mayAsk
   */
  async #find(mayAsk) {
    let failure = passing("the WebSocket cannot be opened");
    if (mayAsk) {
      await this.#http.ask("/tools", { signal: this.#over.signal }).catch((error) => {
        // A 404 is about that address, and says nothing about this one.
        if ([401, 403, 429, 503].includes(error.status)) failure = refused(error);
      });
    }
    this.#end(failure);
  }

  /** @param {Failure} failure */
  #end(failure) {
    if (this.#over.signal.aborted) return;
    this.close();
    this.#events.over(failure);
  }
}

/**
 * @param {unknown} error
 * @returns {Failure}
 */
export function failureOf(error) {
  if (error instanceof AgentError) return refused(error);
  return passing(error instanceof Error ? error.message : String(error));
}

/**
 * What stands for a character in an address; of those that `encodeURIComponent` leaves, a
 * subprotocol may have no brackets.
 *
 * @param {string} character
 */
function escape(character) {
  return `%${character.charCodeAt(0).toString(16)}`;
}

/**
 * The address of a WebSocket.
 *
 * @param {string | URL} url absolute or relative, of any scheme
 * @returns {URL}
 */
export function socketUrl(url) {
  const found = new URL(url, globalThis.location?.href);
  found.protocol = found.protocol.replace(/^http/, "ws");
  return found;
}
