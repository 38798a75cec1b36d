/**
 * Requests to the server's HTTP resources.
 *
 * @module
 */

import { AgentError, errorOf } from "./errors.js";

/** What a token can be (RFC 6750, 2.1): neither a header nor a server takes another. */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

export class Http {
  /** How many commands in a row were answered by somebody who did not know their stream. */
  strays = 0;

  #base;
  #token;
  #credentials;

  /**
   * @param {string | null} base null: there are none
   * @param {string | null | (() => string | Promise<string>)} token
   * @param {boolean} credentials whether cookies go to other origins too
   */
  constructor(base, token, credentials) {
    this.#base = base;
    this.#token = token;
    this.#credentials = credentials;
  }

  /** Whether there is anything to ask. */
  get available() {
    return this.#base !== null;
  }

  /**
   * The token as it is now, or null if there is none.
   *
   * @throws {AgentError} when it cannot be sent; the browser would say so as if of the network
   */
  async token() {
    const token = typeof this.#token === "function" ? await this.#token() : this.#token;
    if (token === null || TOKEN.test(token)) return token;
    const alphabet = "a token is ASCII letters, digits and -._~+/, and may end with =";
    throw new AgentError("unauthorized", `the token cannot be sent: ${alphabet}`);
  }

  /**
   * The answer to a request, its body unread.
   *
   * @param {string} path
   * @param {{body?: unknown, query?: URLSearchParams, accept?: string, signal?: AbortSignal}} [options]
   * @returns {Promise<Response>}
   */
  async request(path, { body, query, accept = "application/json", signal } = {}) {
    const token = await this.token();
    /** @type {Record<string, string>} */
    const headers = { Accept: accept };
    if (token !== null) headers.Authorization = `Bearer ${token}`;
    signal?.throwIfAborted();
    const asked = query?.toString();
    try {
      return await fetch(`${this.#base}${path}${asked ? `?${asked}` : ""}`, {
        headers,
        signal,
        method: body === undefined ? "GET" : "POST",
        // Without a Content-Type of JSON there is no preflight; the server takes any.
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: this.#credentials ? "include" : "same-origin",
        cache: "no-store",
      });
    } catch (error) {
      // Browsers tell a page no more. A page that the server does not let in sees the same.
      const text = "the server cannot be reached, or lets in no page of this origin";
      throw signal?.aborted ? error : new AgentError("unreachable", text);
    }
  }

  /**
   * The fields of an answer of the server's.
   *
   * @param {string} path
   * @param {{body?: unknown, query?: URLSearchParams, signal?: AbortSignal}} [options]
   * @returns {Promise<Record<string, any>>}
   * @throws {AgentError} its `status` is undefined if there was no answer
   */
  async ask(path, options) {
    const response = await this.request(path, options);
    const body = await json(response);
    if (body?.success !== true) throw errorOf(response, body);
    return body;
  }

  /**
   * A ticket, good for one connection.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<string>}
   */
  async ticket(signal) {
    const { ticket } = await this.ask("/ticket", { body: {}, signal });
    return ticket;
  }
}

/**
 * The JSON object of an answer, or null: a proxy may answer in HTML.
 *
 * @param {Response} response
 * @returns {Promise<Record<string, any> | null>}
 */
export async function json(response) {
  let text;
  try {
    text = await response.text();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new AgentError("unreachable", "the connection broke in the middle of an answer");
  }
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
