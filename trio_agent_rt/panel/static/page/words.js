// How things are said: times, sizes, states, errors. No DOM, no state.

/** @param {number} ms */
export function span(ms) {
  if (!Number.isFinite(ms) || ms < 0) return "";
  if (ms < 950) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Seconds that are counted: no fractions, which would flicker. @param {number} ms */
export function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${String(seconds % 60).padStart(2, "0")} s` : `${seconds} s`;
}

/** @param {number} number @param {string} one */
export function count(number, one) {
  return `${number.toLocaleString("en")} ${one}${number === 1 ? "" : "s"}`;
}

/** @param {number} characters */
export function size(characters) {
  return characters < 1000 ? count(characters, "character") : `${Math.round(characters / 1000)} kB`;
}

/** The state of a step or a task: its icon, and its word; never a colour alone. */
export const STATES = {
  pending: ["○", "Pending"],
  running: ["▶", "Running"],
  success: ["✓", "Done"],
  failed: ["✗", "Failed"],
  skipped: ["↷", "Skipped"],
  cancelled: ["■", "Cancelled"],
  submitting: ["…", "Sending"],
  queued: ["…", "Queued"],
  planning: ["…", "Planning"],
  waiting: ["?", "Waiting for you"],
  answered: ["…", "Answered"],
  cancelling: ["◌", "Cancelling"],
  succeeded: ["✓", "Succeeded"],
  refused: ["✗", "Not started"],
  lost: ["?", "Lost sight of"],
};

/** What is said of an error, as a sentence. @param {{code?: string, message?: string}} error */
export function sentence(error) {
  const text = String(error?.message || error || "Something went wrong.").trim();
  const said = {
    busy: "A task is running already, and this server takes one at a time. Wait for its end, or cancel it.",
    rate_limited: "That was too fast for the server. Wait a moment, then try again.",
    shutting_down: "The server is about to stop and takes no new task.",
    too_large: "This is longer than the server takes.",
    unreachable: "The server cannot be reached.",
    timed_out: "The server has not answered in time.",
    unauthorized: "This server asks for a token.",
  }[error?.code];
  if (said) return said;
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…。]$/.test(begun) ? begun : `${begun}.`;
}

/** @param {any} said an answer of the server's, be it an ack or that of HTTP */
export const outcomeOf = (said) => said?.outcome ?? said?.data?.outcome ?? "";

const LONGEST_LINE = 600;
const MOST_LINES = 60;
const MOST_CHARACTERS = 8_000;

/** A long text cut to what can be looked at: its beginning, or its end.
 * @param {string} text @param {"head" | "tail"} kept */
export function shorten(text, kept = "head") {
  let cut = text;
  let left = 0;
  if (cut.length > MOST_CHARACTERS * 4) {
    // So that what follows never looks at more than it could show.
    left = cut.length - MOST_CHARACTERS * 4;
    cut = kept === "head" ? cut.slice(0, MOST_CHARACTERS * 4) : cut.slice(left);
  }
  let lines = cut.split("\n");
  if (lines.length > MOST_LINES) {
    const dropped = kept === "head" ? lines.splice(MOST_LINES) : lines.splice(0, lines.length - MOST_LINES);
    left += dropped.reduce((sum, each) => sum + each.length + 1, 0);
  }
  lines = lines.map((line) => {
    if (line.length <= LONGEST_LINE) return line;
    left += line.length - LONGEST_LINE;
    return kept === "head" ? `${whole(line.slice(0, LONGEST_LINE))} […]` : `[…] ${line.slice(-LONGEST_LINE)}`;
  });
  let shown = lines.join("\n");
  if (shown.length > MOST_CHARACTERS) {
    left += shown.length - MOST_CHARACTERS;
    shown = kept === "head" ? whole(shown.slice(0, MOST_CHARACTERS)) : shown.slice(-MOST_CHARACTERS);
  }
  return { shown, left };
}

/** Without half of a character at its end. @param {string} text */
function whole(text) {
  return /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text;
}

/** What an agent gave, as text to look at. @param {unknown} value */
export function pretty(value) {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value, null, 2) ?? String(value);
  } catch {
    return String(value);
  }
}

/** One line, not too long. @param {string} text @param {number} most */
export function oneLine(text, most = 160) {
  const flat = text.slice(0, most * 4).replace(/\s+/g, " ").trim();
  return flat.length > most ? `${whole(flat.slice(0, most))}…` : flat;
}

/** @param {number} ms */
export function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}
