/**
 * What goes wrong, and whether trying again makes sense. No I/O.
 *
 * | what ended a connection, or kept it from being made | and then |
 * |---|---|
 * | broken, 1001, 1006, 1011, 1013, 4000–4499, a time-out, HTTP 408, 425, 429, 5xx | tried again |
 * | a stream that has ended: there are no close codes, the next attempt tells why | tried again |
 * | 1000, 1003, 1007, 1008, 1009, 4500–4999, HTTP 204, any other HTTP 4xx | final |
 * | a token that cannot be sent | final |
 * | a message that breaks the contract: it would only be sent again | final |
 *
 * @module
 */

/** What a promise of a client is rejected with, and why a client is closed. */
export class AgentError extends Error {
  /**
   * @param {string} code one of the contract's (`busy`, `unauthorized`, …), or of the client's own:
   *   `unreachable`, `timed_out`, `not_this_protocol`, `closed`
   * @param {string} message a sentence for people
   * @param {{status?: number, closeCode?: number, retryAfter?: number}} [more]
   */
  constructor(code, message, more = {}) {
    super(message);
    this.name = "AgentError";
    this.code = code;
    /** The HTTP status, if there was one. @type {number | undefined} */
    this.status = more.status;
    /** The close code of a WebSocket, if there was one. @type {number | undefined} */
    this.closeCode = more.closeCode;
    /** In how many seconds the server wants to be asked again. @type {number | undefined} */
    this.retryAfter = more.retryAfter;
  }
}

/**
 * Why a connection ended, or was not made.
 *
 * @typedef {object} Failure
 * @property {AgentError} error
 * @property {boolean} final whether trying again makes no sense
 * @property {number} pause milliseconds that the server wants to be left alone at the least
 */

/** For 1013, which says "later" and not when. */
const LATER = 1000;

/** A server that says more is asked after so many seconds all the same. */
const LONGEST_PAUSE = 600;

/** Refusals below 500 that are about the moment, not about the client (RFC 9110, 6585). */
const TRANSIENT_STATUSES = new Set([408, 425, 429]);

/** @type {Record<number, string>} */
const CODES_OF_STATUSES = {
  204: "unknown_session",
  401: "unauthorized",
  403: "forbidden",
  413: "too_large",
  429: "rate_limited",
  503: "shutting_down",
};

const FINAL_CLOSE_CODES = new Set([1000, 1003, 1007, 1008, 1009]);

/** @type {Record<number, string>} */
const CODES_OF_CLOSES = {
  1001: "shutting_down",
  1007: "bad_json",
  1008: "rate_limited",
  1009: "too_large",
  1011: "internal",
  1013: "rate_limited",
  4500: "unauthorized",
  4501: "bad_message",
  4502: "unknown_session",
};

/**
 * A connection that broke, or could not be made, for a reason that may pass.
 *
 * @param {string} message
 * @param {string} [code]
 * @returns {Failure}
 */
export function passing(message, code = "unreachable") {
  return { error: new AgentError(code, message), final: false, pause: 0 };
}

/**
 * The peer is no server of this protocol.
 *
 * @param {string} message
 * @returns {Failure}
 */
export function wrongPeer(message) {
  return { error: new AgentError("not_this_protocol", message), final: true, pause: 0 };
}

/**
 * The session is gone, and with it whatever could be resumed.
 *
 * @param {string} message
 * @returns {Failure}
 */
export function sessionLost(message) {
  return { error: new AgentError("unknown_session", message), final: true, pause: 0 };
}

/**
 * A WebSocket was closed.
 *
 * @param {number} closeCode
 * @param {string} reason
 * @param {AgentError | null} complaint the server's last `error` that answered no command
 * @returns {Failure}
 */
export function closed(closeCode, reason, complaint) {
  const final = FINAL_CLOSE_CODES.has(closeCode) || (closeCode >= 4500 && closeCode <= 4999);
  const code = complaint?.code ?? CODES_OF_CLOSES[closeCode] ?? (final ? "closed" : "unreachable");
  const told = complaint?.message ?? (reason || "the connection was closed");
  const error = new AgentError(code, `${told} (${closeCode})`, { closeCode });
  return { error, final, pause: closeCode === 1013 ? LATER : 0 };
}

/**
 * A request for a connection was answered with an error.
 *
 * @param {AgentError} error
 * @returns {Failure}
 */
export function refused(error) {
  const status = error.status ?? 0;
  const final =
    error.code === "unauthorized" ||
    status === 204 ||
    (status >= 400 && status < 500 && !TRANSIENT_STATUSES.has(status));
  return { error, final, pause: 1000 * Math.min(error.retryAfter ?? 0, LONGEST_PAUSE) };
}

/**
 * The error that an answer stands for.
 *
 * @param {Response} response
 * @param {unknown} body its JSON, or anything else if it had none
 * @returns {AgentError}
 */
export function errorOf(response, body) {
  const { status } = response;
  const told = /** @type {{error?: {code?: unknown, message?: unknown}} | null} */ (body)?.error;
  const code = typeof told?.code === "string" ? told.code : CODES_OF_STATUSES[status];
  const message = typeof told?.message === "string" ? told.message : `HTTP status ${status}`;
  const retryAfter = secondsUntil(response.headers.get("Retry-After"));
  return new AgentError(code ?? (status >= 500 ? "internal" : "rejected"), message, {
    status,
    retryAfter,
  });
}

/**
 * Whether an answer says that a request was not carried out, but could be.
 *
 * @param {number} status
 */
export function maySendAgain(status) {
  return status >= 500 || status === 408 || status === 425;
}

/**
 * @param {string | null} header seconds or a date (RFC 9110, 10.2.3)
 * @returns {number | undefined}
 */
function secondsUntil(header) {
  if (!header) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}
