// What outlives a reload, and ends with the tab: the session, what is shown of it, the token,
// and the task that is half written.

const PLACE = new URL(".", document.baseURI).pathname;
const VIEW = `trio-agent-rt ${PLACE} view 2`;
const TOKEN = `trio-agent-rt ${PLACE} token`;
const DRAFT = `trio-agent-rt ${PLACE} draft`;
const MOST = 2_000_000; // characters; a browser allows 5 million for all pages of the origin

/** @param {{session: string | null, since: string | null, shown: any}} view */
export function keepView(view) {
  for (const shown of [view.shown, lighter(view.shown), null]) {
    const text = JSON.stringify({ ...view, since: shown ? view.since : null, shown });
    if (text.length > MOST) continue;
    try {
      sessionStorage.setItem(VIEW, text);
      return;
    } catch {
      // Full, or not allowed: with less of it, or without.
    }
  }
}

/** Without what was streamed, and without results of steps. @param {any} shown */
function lighter(shown) {
  const tasks = shown.tasks.map((/** @type {any} */ task) => ({
    ...task,
    outputs: 0,
    steps: task.steps.map((/** @type {any} */ step) => ({
      ...step,
      output: "",
      dropped: step.dropped + step.output.length,
      result: null,
    })),
  }));
  return { ...shown, tasks };
}

/** @returns {{session: string | null, since: string | null, shown: any}} */
export function keptView() {
  const none = { session: null, since: null, shown: null };
  const joined = invitation();
  if (joined) forgetInvitation();
  try {
    const kept = { ...none, ...JSON.parse(sessionStorage.getItem(VIEW) ?? "{}") };
    return joined && joined !== kept.session ? { ...none, session: joined } : kept;
  } catch {
    return { ...none, session: joined };
  }
}

/** The session that the address asks into, if it does. @returns {string | null} */
export function invitation() {
  return /^#session=([\w-]+)$/.exec(location.hash)?.[1] ?? null;
}

/** The id lets whoever knows it in, where nobody is asked for a name: not into the history. */
export function forgetInvitation() {
  history.replaceState(null, "", location.pathname + location.search);
}

export const keptToken = () => get(TOKEN);
export const keptDraft = () => get(DRAFT) ?? "";

/** @param {string} token */
export const keepToken = (token) => put(TOKEN, token);
/** @param {string} text */
export const keepDraft = (text) => put(DRAFT, text);

/** @param {string} key @returns {string | null} */
function get(key) {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string} text */
function put(key, text) {
  try {
    if (text === "") sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, text);
  } catch {
    // Then it lives as long as the page.
  }
}
