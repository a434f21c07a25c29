// A watch in one output cell: a row for each target with its value, its last change, its line, and why there is no answer.

import { Chart, figure } from "./chart.js";
import { ageOf, clock, make, many, say } from "../../live/static/look.js";

const DRAWN = 300;
const SPEAK = 15_000;
const SILENT = 5_000;

class Row {
  constructor(view, alone) {
    this.view = view;
    this.points = [];
    this.target = make("th", { scope: "row" });
    this.value = make("td", { class: "cw-value" });
    this.chart = new Chart({ height: alone ? 96 : 28, labels: alone, onPoint: (point) => view.describe(this, point) });
    this.said = make("div", { class: "cw-said" });
    const drawn = make("td", { class: "cw-drawn" }, this.chart.element);
    this.element = make("tr", {}, this.target, this.value, drawn, make("td", { class: "cw-last" }, this.said));
  }

  take(row, whole) {
    const had = whole ? 0 : (this.row?.asked ?? 0);
    // Some were missed: the page was away.
    if (!whole && row.asked - row.points.length > had) return false;
    const fresh = whole ? row.points : row.points.slice(row.points.length - Math.max(0, row.asked - had));
    this.points = [...(whole ? [] : this.points), ...fresh].slice(-DRAWN);
    this.row = { ...row, points: null };
    this.draw();
    return true;
  }

  draw() {
    const { target, value } = this.row;
    say(this.target, target);
    say(this.value, value ?? "–");
    this.value.title = value ?? "";
    this.chart.update(this.points);
    this.element.dataset.lost = String(this.cause !== null);
    // Long causes are cut after three lines; all of it is there to be pointed at.
    this.said.title = this.cause ?? "";
    this.age();
  }

  get cause() {
    return this.points.at(-1)?.at(-1) ?? null;
  }

  /** What time alone changes. */
  age() {
    const { asked, failed, before, changedAt } = this.row;
    if (this.cause !== null) say(this.said, `✕ ${this.cause}`);
    else if (!asked) say(this.said, "no answer yet");
    else if (changedAt === null) say(this.said, `unchanged in ${many(asked - failed, "answer")}`);
    else say(this.said, `changed ${ageOf(Math.max(0, (this.view.now() - changedAt) / 1000))} ago, from ${before}`);
  }
}

class WatchView {
  constructor(model, element) {
    this.model = model;
    this.page = Math.random().toString(36).slice(2, 12);
    this.heardAt = Date.now();
    this.build();
    element.append(this.root);
    this.came = (content) => this.hear(content);
    model.on("msg:custom", this.came);
    this.seen = () => this.look();
    document.addEventListener("visibilitychange", this.seen);
    this.eyes = new IntersectionObserver((entries) => {
      this.inSight = entries.at(-1).isIntersecting;
      this.look();
    });
    this.eyes.observe(this.root);
    this.sizes = new ResizeObserver(() => this.rows.forEach((row) => row.chart.update(row.points)));
    this.sizes.observe(this.root);
    this.speaking = setInterval(() => this.look(), SPEAK);
    this.ticking = setInterval(() => this.tick(), 1000);
    this.whole(model.get("full"));
  }

  close() {
    this.say({ kind: "gone", page: this.page });
    this.model.off("msg:custom", this.came);
    document.removeEventListener("visibilitychange", this.seen);
    this.eyes.disconnect();
    this.sizes.disconnect();
    clearInterval(this.speaking);
    clearInterval(this.ticking);
  }

  build() {
    this.dot = make("span", { class: "cw-dot", "aria-hidden": "true" });
    this.name = make("span", {});
    this.title = make("span", { class: "cw-title" }, this.dot, " ", this.name);
    this.status = make("span", { class: "cw-status", role: "status", "aria-live": "polite" });
    this.stop = make(
      "button",
      { type: "button", click: () => this.say({ kind: "stop" }), title: "ask no more; what was seen stays" },
      "Stop",
    );
    this.body = make("tbody", {});
    const head = make(
      "thead",
      {},
      make("tr", {}, ...["target", "value", "over time", "last change"].map((name) => make("th", { scope: "col" }, name))),
    );
    this.table = make("table", {}, head, this.body);
    this.side = make("div", { class: "cw-side", "aria-live": "off" });
    const top = make("div", { class: "cw-top" }, this.title, this.status, this.stop);
    this.root = make("div", { class: "casty-watch", "data-lm-suppress-shortcuts": "true" }, top, this.table, this.side);
    this.rows = [];
  }

  // --- with the kernel

  say(content) {
    try {
      this.model.send(content);
    } catch {
      // The kernel is gone; the view says so by itself.
    }
  }

  /** A page that becomes visible is told all. */
  look() {
    const visible = Boolean(this.inSight) && !document.hidden;
    this.askedAt ??= Date.now();
    this.say({ kind: "look", page: this.page, visible, full: visible && !this.visible });
    this.visible = visible;
  }

  hear(content) {
    this.heardAt = Date.now();
    this.askedAt = null;
    if (content.kind === "full") this.whole(content);
    else if (content.kind === "points") this.more(content);
    this.tick();
  }

  whole(content) {
    if (!content?.rows) return;
    this.every = content.every;
    say(this.name, content.title);
    if (this.rows.length !== content.rows.length) {
      this.rows = content.rows.map(() => new Row(this, content.rows.length === 1));
      this.body.replaceChildren(...this.rows.map((row) => row.element));
      this.root.dataset.alone = String(content.rows.length === 1);
    }
    content.rows.forEach((row, place) => this.rows[place].take(row, true));
    this.state(content);
  }

  more(content) {
    const fits = content.rows.every((row, place) => this.rows[place]?.take(row, false));
    if (!fits) this.say({ kind: "look", page: this.page, visible: true, full: true });
    this.state(content);
  }

  state({ ended, endedAt }) {
    this.ended = ended;
    this.endedAt = endedAt;
    this.stop.hidden = Boolean(ended);
    this.tick();
  }

  // --- what time alone changes

  now() {
    return this.endedAt ?? Date.now();
  }

  tick() {
    for (const row of this.rows) if (row.row) row.age();
    const failed = this.rows.filter((row) => row.cause !== null).length;
    const silent = this.askedAt !== null && Date.now() - this.askedAt > SILENT && !this.ended;
    const lost = failed
      ? ` · ${failed === this.rows.length ? "no answer" : `${failed} of ${this.rows.length} do not answer`}`
      : "";
    say(
      this.status,
      this.ended ? `stopped at ${clock(this.endedAt)}: ${this.ended}`
      : silent ? `no word from the kernel for ${ageOf((Date.now() - this.heardAt) / 1000)}: busy with a cell, or gone`
      : `every ${figure(this.every ?? 1)} s${lost}`,
    ); // prettier-ignore
    this.root.dataset.state = this.ended ? "ended" : silent ? "silent" : failed ? "lost" : "live";
  }

  describe(row, point) {
    if (!point) return void say(this.side, "");
    const [time, number, latency, node, text, error] = point;
    const where = node ? ` · ${node}` : "";
    say(
      this.side,
      `${row.row.target} · ${clock(time, true)} · ${error ?? (number === null ? text : figure(number))} · ${latency} ms${where}`,
    );
  }
}

function render({ model, el }) {
  const view = new WatchView(model, el);
  el.castyWatch = view;
  return () => view.close();
}

export default { render };
