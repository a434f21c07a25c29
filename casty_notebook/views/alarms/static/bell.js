// The bell: a line that turns red when a problem appears, a title that blinks while nobody looks, notifications where allowed.

import { make, many, say } from "../../live/static/look.js";

const BLINK = 1000;

/** One title for all bells of a page: what it was comes back when somebody looks. */
const title = {
  before: null,
  timer: null,
  blink(text) {
    if (document.hasFocus()) return;
    this.before ??= document.title;
    this.still(false);
    this.timer = setInterval(() => {
      document.title = document.title === this.before ? text : this.before;
    }, BLINK);
    document.title = text;
    for (const event of ["focus", "pointerdown", "keydown"]) window.addEventListener(event, this.seen, { once: true });
  },
  still(restore = true) {
    clearInterval(this.timer);
    this.timer = null;
    if (restore && this.before !== null) {
      document.title = this.before;
      this.before = null;
    }
  },
  seen: () => title.still(),
};

class BellView {
  constructor(model, element) {
    this.model = model;
    this.rung = model.get("problems").rung;
    this.mark = make("span", { class: "cb-mark", "aria-hidden": "true" });
    this.words = make("span", { class: "cb-words", role: "status", "aria-live": "assertive" });
    this.button = make(
      "button",
      { type: "button", click: () => this.ask(), title: "when a problem appears while this page is not looked at" },
      "Notify me",
    );
    this.list = make("ul", {});
    this.root = make(
      "div",
      { class: "casty-bell" },
      make("div", { class: "cb-top" }, this.mark, this.words, this.button),
      this.list,
    );
    element.append(this.root);
    this.changed = () => this.draw();
    model.on("change:problems", this.changed);
    this.draw();
  }

  close() {
    this.model.off("change:problems", this.changed);
    title.still();
  }

  draw() {
    const { name, rows, more, rung, latest, ended } = this.model.get("problems");
    const count = rows.length + more;
    this.root.dataset.state = ended ? "ended" : count ? "bad" : "good";
    say(
      this.words,
      ended ? `${name}: no longer looked at` : count ? `${name}: ${many(count, "problem")}` : `${name}: no problem`,
    );
    const lines = rows.map((row) => make("li", {}, make("b", {}, row.subject), ` ${row.text} · ${row.remedy}`));
    if (more) lines.push(make("li", {}, `and ${more.toLocaleString("en")} more`));
    this.list.replaceChildren(...lines);
    this.button.hidden = ended || typeof Notification === "undefined" || Notification.permission !== "default";
    if (rung > this.rung) this.ring(name, latest);
    this.rung = rung;
  }

  ring(name, latest) {
    title.blink(`⚠ ${name}`);
    if (typeof Notification === "undefined" || Notification.permission !== "granted" || document.hasFocus()) return;
    try {
      // One of a tag replaces the one before: several views of a bell are one notification.
      const shown = new Notification(`${name}: a problem has appeared`, { body: latest, tag: `casty ${name}`, silent: true });
      shown.addEventListener("click", () => window.focus());
    } catch {
      // Some browsers only let service workers show them; the title blinks all the same.
    }
  }

  /** Leave is only ever asked for by a click. */
  async ask() {
    await Notification.requestPermission();
    this.draw();
  }
}

function render({ model, el }) {
  const view = new BellView(model, el);
  el.castyBell = view;
  return () => view.close();
}

export default { render };
