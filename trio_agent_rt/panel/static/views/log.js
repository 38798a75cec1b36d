// The log: the last events in short, drawn only while somebody looks.

import { clock, count } from "../page/words.js";
import { byId, following, h, say, show } from "./dom.js";

export class LogView {
  /** @param {import("../page/model.js").Model} model */
  constructor(model) {
    this._model = model;
    this._drawn = 0;
    byId("log-details").addEventListener("toggle", () => this.draw());
  }

  draw() {
    const { log, logged } = this._model;
    say(byId("log-count"), logged.toLocaleString("en"));
    if (!byId("log-details").open) return;
    const list = byId("log");
    const fresh = log.slice(Math.max(0, log.length - (logged - this._drawn)));
    this._drawn = logged;
    const rows = fresh.map(({ at, type, taskId, text }) =>
      h(
        "li",
        { "data-type": type },
        h("time", { text: clock(at) }),
        h("b", { text: type }),
        h("span", { text: [taskId?.slice(0, 8), text].filter(Boolean).join(" ") }),
      ),
    );
    following(list, () => {
      list.append(...rows);
      while (list.children.length > log.length) list.firstElementChild.remove();
    });
    const dropped = logged - log.length;
    show(byId("log-note"), dropped > 0);
    say(byId("log-note"), `The last ${log.length} are shown; ${count(dropped, "earlier one")} left out.`);
  }
}
