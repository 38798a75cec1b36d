/**
 * Whether a connection still lives, although nobody says that it does not.
 *
 * A network that has silently changed (a laptop that slept) leaves a connection that looks
 * open and brings nothing. A server shows that it is there once in `heartbeatInterval`; who
 * was silent for twice as long is dead. Silence is counted in looks, not read off a clock:
 * when the whole page stood still, what arrived meanwhile is read before it counts.
 *
 * @module
 */

/** Looks per interval. */
const LOOKS = 2;

/** Not faster than any server would ask for, lest a wrong number keeps the page busy. */
const SHORTEST_INTERVAL = 50;

/** How long a connection in doubt may take to answer: much more than a round trip. */
const DOUBT = 4000;

export class Pulse {
  #silent = 0;
  #interval;
  #ask;
  #dead;
  /** @type {ReturnType<typeof setInterval>} */
  #looks;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #doubt;

  /**
   * @param {number} interval milliseconds
   * @param {() => void} ask called when the server was silent for one interval
   * @param {() => void} dead called when it was silent for two
   */
  constructor(interval, ask, dead) {
    this.#interval = Math.max(interval, SHORTEST_INTERVAL);
    this.#ask = ask;
    this.#dead = dead;
    this.#looks = setInterval(() => this.#look(), this.#interval / LOOKS);
  }

  /** Something was heard, if only a comment. */
  heard() {
    this.#silent = 0;
    clearTimeout(this.#doubt);
    this.#doubt = undefined;
  }

  /** Something may have happened to the network: ask now, and do not wait for long. */
  doubt() {
    if (this.#doubt !== undefined) return;
    this.#ask();
    this.#doubt = setTimeout(this.#dead, Math.min(DOUBT, 2 * this.#interval));
  }

  stop() {
    clearInterval(this.#looks);
    clearTimeout(this.#doubt);
  }

  #look() {
    this.#silent += 1;
    if (this.#silent === LOOKS) this.#ask();
    if (this.#silent > 2 * LOOKS) this.#dead();
  }
}
