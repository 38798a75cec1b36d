/**
 * The types of all that goes over the wire, and of what a client is told. No code.
 *
 * What the messages mean is said in the reference of the wire protocol.
 *
 * @module
 */

/** @import { AgentError, Failure } from "./errors.js" */

/**
 * @typedef {object} AgentClientOptions
 * @property {"websocket" | "sse"} [transport] `"websocket"` if it is left out
 * @property {string | URL | null} [websocketUrl] `wss://…/ws`; needed for `"websocket"`
 * @property {string | null} [httpUrl] what `/sse`, `/task`, … are appended to, `""` for the page's
 *   own origin; needed for `"sse"`, and for tickets
 * @property {string | null | (() => string | Promise<string>)} [token] sent as `Authorization: Bearer`
 *   with every request; a WebSocket gets a ticket for it, or, without an `httpUrl`, offers it as a
 *   subprotocol. A function is called every time: it says what is valid now.
 * @property {boolean} [credentials] whether requests to other origins carry cookies; a WebSocket
 *   always does
 * @property {string | null} [session] the session to attach to; null for a new one
 * @property {string | null} [since] where to go on in it; null for being told its present state
 * @property {number} [connectTimeout] milliseconds for one attempt; 10 s
 * @property {number} [commandTimeout] milliseconds for the answer to a command, reconnects included;
 *   30 s; `Infinity` for no bound. A cancel has none.
 * @property {number} [maxCommandBytes] the largest command to send; 1 MiB, as for a server
 * @property {{base: number, cap: number}} [backoff] the n-th delay is random between 0 and
 *   `min(cap, base * 2**n)` milliseconds; 500 and 30 s
 */

/** @typedef {"connecting" | "open" | "waiting" | "closed"} State */

/**
 * What a `state` event tells.
 *
 * @typedef {object} StateDetail
 * @property {State} state
 * @property {number} attempt how many attempts in a row have failed
 * @property {number | null} retryIn in how many milliseconds the next attempt is, in `waiting`
 * @property {AgentError | null} error why it is waiting, or closed; null: by `close()`
 */

/** @typedef {{[key: string]: unknown}} Context values for the agent, anything that JSON can hold */

/**
 * What a connection is to attach to.
 *
 * @typedef {object} Attachment
 * @property {string | null} session
 * @property {string | null} position
 */

/**
 * Whom a connection tells.
 *
 * @typedef {object} LinkEvents
 * @property {(message: unknown) => void} message
 * @property {() => void} heard something arrived, if only a sign of life
 * @property {(failure: Failure) => void} over it has ended; the last thing that it tells
 */

/**
 * @typedef {object} Command
 * @property {"task:submit" | "task:cancel" | "step:confirm" | "get:tools"} type
 * @property {string} requestId
 * @property {Record<string, unknown>} data
 */

/**
 * What every message of a server's has. `id` is the position, of events of the log alone;
 * `replay` marks present state that is told again.
 *
 * @template {string} T
 * @template D
 * @typedef {{type: T, data: D, timestamp?: number, id?: string, taskId?: string, replay?: boolean}} Envelope
 */

/**
 * @typedef {Envelope<"connected", {clientId: string, sessionId: string, protocolVersion: number,
 *   resumed: boolean, heartbeatInterval: number}>} Connected
 */

/**
 * @typedef {Envelope<"status", {
 *   state: "idle" | "planning" | "executing" | "waiting" | "complete" | "error",
 *   message: string, cancelling?: boolean}>} Status
 */

/** @typedef {"pending" | "running" | "success" | "failed" | "skipped" | "cancelled"} StepStatus */

/** @typedef {{status: StepStatus, duration: number, output: unknown, retries: number}} StepResult */

/**
 * @typedef {object} Step
 * @property {string} id
 * @property {string} name
 * @property {string} description
 * @property {string} type
 * @property {StepStatus} status
 * @property {string} [tool]
 * @property {string[]} [dependsOn]
 * @property {boolean} [needConfirmation]
 * @property {number} [duration] milliseconds
 * @property {number} [progress] 0–100
 * @property {StepResult} [result]
 * @property {string} [error]
 */

/** @typedef {Envelope<"plan:created" | "plan:updated", {plan: {id: string, steps: Step[]}}>} Plan */

/**
 * @typedef {Envelope<"step:start", {stepId: string, stepName: string, stepIndex: number,
 *   totalSteps: number}>} StepStart
 */

/** @typedef {Envelope<"step:progress", {stepId: string, progress: number, message: string | null}>} StepProgress */

/** @typedef {Envelope<"step:output", {stepId: string, text: string}>} StepOutput */

/** @typedef {Envelope<"step:complete", {stepId: string, stepName: string, result: StepResult}>} StepComplete */

/**
 * @typedef {Envelope<"step:error", {stepId: string, stepName: string, error: string,
 *   willRetry: boolean}>} StepError
 */

/**
 * @typedef {Envelope<"waiting:confirmation", {stepId: string, stepName: string, reason: string,
 *   expiresAt: number | null, confirmationId?: string}>} WaitingConfirmation
 */

/**
 * @typedef {object} Receipt
 * @property {string} taskId
 * @property {string | null} reason who asked, and why
 * @property {number} requestedAt Unix time in milliseconds
 * @property {number} endedAt the same
 * @property {number} duration milliseconds
 * @property {string[]} interrupted the steps that the cancel interrupted
 * @property {string[]} completed the steps that had ended well before
 * @property {"clean" | "timed_out" | "raised"} cleanup
 * @property {string} [cleanupDetail]
 */

/**
 * @typedef {object} Decided
 * @property {string} stepId
 * @property {string} stepName
 * @property {string} question
 * @property {"approved" | "rejected" | "expired" | "withdrawn"} outcome
 * @property {string} [by]
 * @property {string} [reason]
 * @property {number} askedAt Unix time in milliseconds
 * @property {number} closedAt the same
 */

/**
 * @typedef {Envelope<"task:complete", {success: boolean,
 *   outcome: "succeeded" | "failed" | "cancelled", output: unknown, summary: string | null,
 *   duration: number, error: string | null, receipt?: Receipt, confirmations?: Decided[],
 *   usage?: {inputTokens: number, outputTokens: number}}>} TaskComplete
 */

/**
 * @typedef {object} ToolInfo
 * @property {string} name
 * @property {string} description
 * @property {string} category
 * @property {Record<string, unknown>} parameters a JSON Schema
 * @property {"async" | "subprocess" | "thread" | "abandon"} cancellation
 */

/** @typedef {Envelope<"tools:list", {tools: ToolInfo[]}>} ToolsList */

/** @typedef {Envelope<"gap", {missed: number | null}>} Gap */

/**
 * What a command comes to.
 *
 * @typedef {object} Answer
 * @property {string} outcome
 * @property {Receipt} [receipt]
 * @property {Receipt[]} [receipts]
 */

/** @typedef {Envelope<"ack", Answer> & {requestId: string}} Ack */

/**
 * `status` and `retryAfter` are there when it was an answer to a request.
 *
 * @typedef {Envelope<"error", {message: string, code: string, requestId?: string, status?: number,
 *   retryAfter?: number}> & {requestId?: string}} Complaint
 */

/** @typedef {Envelope<"pong", {}>} Pong */

/**
 * Any message of a server's. An application may broadcast other types, with `data` of its own
 * making; whoever does not know a type ignores it.
 *
 * @typedef {Connected | Status | Plan | StepStart | StepProgress | StepOutput | StepComplete
 *   | StepError | WaitingConfirmation | TaskComplete | ToolsList | Gap | Ack | Complaint | Pong} Message
 */

export {};
