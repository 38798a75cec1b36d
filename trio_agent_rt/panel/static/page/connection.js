// The line to the server: which transport, which session, and what is said of it.
//
//   connect ──▶ open ◀──▶ waiting        by the client itself, resuming
//      ▲          │
//      │          ▼
//      └── closed: a token is asked for, or the session is over and a new one begins

import { AgentClient } from "../client.js";
import { byId, note, say, set, show } from "../views/dom.js";
import { keepToken, keptToken } from "./kept.js";
import { countdown, sentence } from "./words.js";

const NAMES = { websocket: "WebSocket", sse: "SSE" };

/** Why a connection is closed for a command that would only have the next one closed too. */
const ITS_OWN_FAULT = new Set(["too_large", "bad_message", "bad_json"]);

/** @param {any} error */
const isUnauthorized = (error) => error?.status === 401 || error?.code === "unauthorized";

export class Connection {
  /** @param {{httpUrl: string, websocketUrl: string | null}} where
   * @param {{session: string | null, since: string | null}} kept
   * @param {{message: (message: any) => void, sessionOver: () => void, changed: () => void}} told */
  constructor({ httpUrl, websocketUrl }, kept, told) {
    this._where = { httpUrl, websocketUrl: websocketUrl ?? undefined };
    const wanted = new URLSearchParams(location.search).get("transport");
    this.transport = wanted === "sse" || !websocketUrl ? "sse" : "websocket";
    this._told = told;
    this._token = keptToken();
    // Only what was taken once is kept.
    this._tokenTaken = this._token !== null;
    /** @type {(() => void)[]} who waits until there is a connection */
    this._waiting = [];
    this._wasOpen = false;
    this._failures = 0;
    this._retryAt = 0;
    /** @type {any} */
    this.state = { state: "connecting", error: null };
    byId("reconnect").addEventListener("click", () => this._again());
    byId("sign-in").addEventListener("click", () => this._askForToken());
    byId("token-later").addEventListener("click", () => byId("token").close());
    byId("token-form").addEventListener("submit", (/** @type {Event} */ event) => this._signIn(event));
    const other = this.transport === "sse" ? "websocket" : "sse";
    const link = byId("other-transport");
    show(link, Boolean(websocketUrl));
    link.href = `?transport=${other}`;
    say(link, `Use ${NAMES[other]}`);
    this._kept = kept;
    /** @type {AgentClient | null} */
    this._client = null;
  }

  /** Connect, and stay so. */
  begin() {
    this._connect(this._kept);
  }

  /** The client of now; commands go to it. @returns {AgentClient} */
  get client() {
    if (!this._client) throw new Error("The connection has not begun.");
    return this._client;
  }

  get session() {
    return this._client?.session ?? null;
  }

  get since() {
    return this._client?.since ?? null;
  }

  get isOpen() {
    return this.state.state === "open";
  }

  /**
   * Have a command carried out, over as many connections and clients as that takes: it is issued
   * when there is a connection, and anew when its client was closed before the answer came.
   * What the server refuses is thrown.
   *
   * @param {(client: AgentClient) => Promise<any>} issue
   * @param {() => boolean} wanted whether it still is
   * @returns {Promise<any>} what the server says, or null when it was not wanted any more
   */
  async deliver(issue, wanted) {
    for (let ready = this.isOpen; ; ready = false) {
      if (!ready) await new Promise((resolve) => this._waiting.push(() => resolve(null)));
      if (!wanted()) return null;
      const { client } = this;
      try {
        return await issue(client);
      } catch (error) {
        const unheard = client.state !== "open" && !ITS_OWN_FAULT.has(error?.code);
        if (!unheard && !isUnauthorized(error)) throw error;
        this.refused(error);
      }
    }
  }

  /** @param {{session: string | null, since: string | null}} kept */
  _connect({ session, since }) {
    const client = new AgentClient({
      transport: this.transport,
      ...this._where,
      token: this._token,
      credentials: true,
      // What is on its way stays so, and is sent again, until the server has said what it thinks.
      commandTimeout: Infinity,
      session,
      since,
    });
    // What an earlier client still says is nobody's business.
    const mine = (/** @type {(detail: any) => void} */ then) => (/** @type {any} */ event) => {
      if (this._client === client) then(event.detail);
    };
    for (const kind of ["message", "gap"]) {
      client.addEventListener(kind, mine((message) => this._told.message(message)));
    }
    client.addEventListener("state", mine((state) => this._changed(state)));
    this._client = client;
    client.connect();
  }

  _again() {
    if (this.state.state === "closed") this._renew(this.session, this.since);
    else this.client.reconnectNow();
  }

  /** @param {string | null} session @param {string | null} since */
  _renew(session, since) {
    this.client.close();
    this._connect({ session, since });
  }

  /** @param {{state: string, attempt?: number, retryIn?: number, error?: any}} state */
  _changed(state) {
    this.state = state;
    this._retryAt = Date.now() + (state.retryIn ?? 0);
    if (state.state === "open") {
      this._wasOpen = true;
      this._failures = 0;
      if (this._token !== null && !this._tokenTaken) keepToken(this._token);
      this._tokenTaken = this._token !== null;
    }
    if (state.state === "waiting") this._failures += 1;
    if (state.state === "closed" && state.error) this._ended(state.error);
    this.draw();
    this._told.changed();
    if (state.state === "open") for (const go of this._waiting.splice(0)) go();
  }

  /** The client does not come back by itself. @param {any} error */
  _ended(error) {
    if (isUnauthorized(error)) {
      const known = this._token !== null;
      if (known && error.status === undefined && error.closeCode === undefined) this._askForToken(sentence(error.message));
      else this._askForToken(known ? `The server does not take this token${this._tokenTaken ? " any more" : ""}.` : undefined);
    } else if (error.code === "unknown_session" && this.session) {
      this._told.sessionOver();
      note("The earlier session is over, so this is a new one: the server was restarted, or nobody watched for too long.");
      this._renew(null, null);
    }
  }

  /** A command was refused for want of a token. @param {any} error */
  refused(error) {
    if (isUnauthorized(error) && !byId("token").open) this._askForToken();
  }

  /** @param {string} [why] */
  _askForToken(why = "This server asks for a token.") {
    say(byId("token-why"), why);
    byId("token-value").value = "";
    if (!byId("token").open) byId("token").showModal();
    byId("token-value").focus();
  }

  /** @param {Event} event */
  _signIn(event) {
    event.preventDefault();
    const token = byId("token-value").value.trim();
    if (!token) return;
    this._token = token;
    this._tokenTaken = false;
    byId("token-value").value = "";
    byId("token").close();
    this._renew(this.session, this.since);
  }

  /** Say how it stands; also called as time goes by. */
  draw() {
    const { state, error } = this.state;
    const refused = state === "closed" && isUnauthorized(error);
    const left = this._retryAt - Date.now();
    const texts = {
      connecting: this._wasOpen ? "Connecting again…" : "Connecting…",
      open: `Connected (${NAMES[this.transport]})`,
      waiting: `${this._wasOpen ? "Connection lost" : "Not reachable"}; next attempt ${left > 900 ? `in ${countdown(left)}` : "now"}`,
      closed: refused ? "Not signed in" : `Not connected. ${error ? sentence(error) : ""}`,
    };
    set(byId("connection"), "data-state", state);
    say(byId("connection-text"), texts[state] ?? state);
    show(byId("reconnect"), state === "waiting" || (state === "closed" && !refused));
    show(byId("sign-in"), refused);
    // A proxy may pass on HTTP and no WebSocket.
    show(byId("use-sse"), this.transport === "websocket" && !this._wasOpen && this._failures >= 2);
  }
}
