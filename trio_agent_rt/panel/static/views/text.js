// Long texts: a beginning or an end of them, and a button for all.

import { pretty, shorten, size } from "../page/words.js";
import { following, h, say, show } from "./dom.js";

/** A text that may be long. */
export class LongText {
  /** @param {{label: string, kept?: "head" | "tail"}} options what it is, and which part matters more */
  constructor({ label, kept = "head" }) {
    this._kept = kept;
    this._text = "";
    this._dropped = 0;
    this._all = false;
    this._pre = h("pre", { tabindex: "0", role: "region", "aria-label": label });
    this._note = h("p", { class: "hint", hidden: true });
    this._toggle = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => this._turn() });
    this.element = h("div", { class: "long" }, this._note, this._pre, this._toggle);
  }

  /** @param {unknown} value @param {number} [dropped] characters before it that are not kept */
  update(value, dropped = 0) {
    const text = pretty(value);
    if (text === this._text && dropped === this._dropped) return;
    this._text = text;
    this._dropped = dropped;
    this._draw();
  }

  _turn() {
    this._all = !this._all;
    this._draw();
  }

  _draw() {
    const { shown, left } = this._all ? { shown: this._text, left: 0 } : shorten(this._text, this._kept);
    // What cannot fill its box is not worth the layout that scrolling asks for.
    if (this._kept === "tail" && shown.length > 300) following(this._pre, () => say(this._pre, shown));
    else say(this._pre, shown);
    show(this._note, this._dropped > 0);
    say(this._note, `The first ${size(this._dropped)} are not kept.`);
    show(this._toggle, left > 0 || this._all);
    say(this._toggle, this._all ? "Show less" : `Show all (${size(this._text.length)})`);
    this._toggle.setAttribute("aria-expanded", String(this._all));
  }
}
