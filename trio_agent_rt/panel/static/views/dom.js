// The few things that all views do with the DOM. Text is only ever put in as text.

/** An element. @param {string} tag @param {Record<string, any>} with_ attributes; `text`, and
 * `on…` for what is called, apart @param {...(Node | string | null)} children */
export function h(tag, with_ = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(with_)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((each) => each !== null));
  return element;
}

/** The element of the page with that id. @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/** Says a text, without a change where it is said already. @param {Element} element @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {any} element @param {boolean} shown */
export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

/** @param {Element} element @param {string} name @param {string | null} value */
export function set(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

const FRAME = 8; // ms of each frame that may go into drawing; half of one at 60 Hz

/** Draws what has changed, each thing once a frame at most, and never for long at a time. */
export class Painter {
  constructor() {
    /** @type {Map<any, () => void>} */
    this._dirty = new Map();
    this._asked = false;
    this.afterwards = () => {};
  }

  /** @param {any} key what it draws @param {() => void} draw */
  paint(key, draw) {
    this._dirty.set(key, draw);
    this._ask();
  }

  _ask() {
    if (this._asked) return;
    this._asked = true;
    // A tab that nobody sees has no frames, and its title has to be right all the same.
    if (document.hidden) setTimeout(() => this._run(), 100);
    else requestAnimationFrame(() => this._run());
  }

  _run() {
    this._asked = false;
    const until = performance.now() + FRAME;
    for (const [key, draw] of this._dirty) {
      this._dirty.delete(key);
      draw();
      if (performance.now() > until) break;
    }
    if (this._dirty.size) this._ask();
    this.afterwards();
  }
}

/** A box that stays at its end while text grows there, unless somebody has scrolled up.
 * @param {Element} box @param {() => void} change */
export function following(box, change) {
  const followed = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  change();
  if (followed) box.scrollTop = box.scrollHeight;
}

let reader = { at: 0, text: "", timer: 0 };

/** Tell it to screen readers: the last thing of what comes within two seconds. @param {string} text */
export function announce(text) {
  reader.text = text;
  if (reader.timer) return;
  const wait = Math.max(0, reader.at + 2000 - Date.now());
  reader.timer = setTimeout(() => {
    reader.timer = 0;
    reader.at = Date.now();
    say(byId("announcer"), reader.text);
  }, wait);
}

/** A note that goes away by itself, later. @param {string} text @param {string} [kind]
 * @param {string | null} [about] the task that it is about */
export function note(text, kind = "plain", about = null) {
  const notes = byId("notes");
  const key = JSON.stringify([about, text]);
  for (const each of [...notes.children]) if (each.dataset.key === key) each.remove();
  const close = h("button", { type: "button", class: "quiet", "aria-label": "Close this note", text: "×" });
  const task = about && h("bdi", { text: about });
  const shown = h("p", { class: "note", "data-kind": kind, "data-key": key }, task, h("span", { text }), close);
  close.addEventListener("click", () => shown.remove());
  notes.append(shown);
  while (notes.children.length > 3) notes.firstElementChild?.remove();
  setTimeout(() => shown.remove(), 20_000);
}
