// What outlives a reload, and ends with the tab: the session, what is shown of it, the token.

const PLACE = new URL(".", document.baseURI).pathname;
const VIEW = `trio-agent-rt ${PLACE} view 1`;
const TOKEN = `trio-agent-rt ${PLACE} token`;
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
  const joined = /^#session=([\w-]+)$/.exec(location.hash);
  // The id lets whoever knows it in, where nobody is asked for a name: not into the history.
  if (joined) history.replaceState(null, "", location.pathname + location.search);
  try {
    const kept = { ...none, ...JSON.parse(sessionStorage.getItem(VIEW) ?? "{}") };
    return joined && joined[1] !== kept.session ? { ...none, session: joined[1] } : kept;
  } catch {
    return { ...none, session: joined?.[1] ?? null };
  }
}

/** @returns {string | null} */
export function keptToken() {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null;
  }
}

/** @param {string | null} token */
export function keepToken(token) {
  try {
    if (token === null) sessionStorage.removeItem(TOKEN);
    else sessionStorage.setItem(TOKEN, token);
  } catch {
    // Then it lives as long as the page.
  }
}
