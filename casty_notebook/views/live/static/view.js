// One view in one output cell: banner, tabs, map, tables, timeline. What it shows comes from the page's `Moments`.

import { find, foundCells, isTarget } from "./find.js";
import { Grid } from "./grid.js";
import { ageOf, capital, clock, copy, healthOf, inOrder, make, many, say, titleOf } from "./look.js";
import { ORDERS } from "./layout.js";
import { ClusterMap, summaryOf } from "./map.js";
import { Moments } from "./moments.js";
import { Problems } from "./problems.js";
import {
  columnsOf,
  MEMBER_COLUMNS,
  memberRows,
  SERVICE_COLUMNS,
  serviceRows,
  shapeOf,
  SHARD_COLUMNS,
  ShardRows,
} from "./rows.js";
import { shardAt, shardCount } from "./state.js";
import { TimeBar, Timeline } from "./timeline.js";

const TABS = ["Map", "Problems", "Members", "Shards", "Services", "Timeline"];

class View {
  constructor(moments, element) {
    this.moments = moments;
    this.name = `ct-${Math.random().toString(36).slice(2, 9)}`;
    this.build();
    element.append(this.root);
    this.changed = () => this.schedule();
    moments.listeners.add(this.changed);
    this.watchEyes();
    this.watchSize();
    this.open("Map");
    this.stills = stillsOf(moments.key);
    for (const still of this.stills) still.hidden = true;
  }

  close() {
    for (const still of this.stills) still.hidden = false;
    this.moments.listeners.delete(this.changed);
    this.moments.see(this, false);
    this.eyes.disconnect();
    this.sizes.disconnect();
    this.themes.disconnect();
    document.removeEventListener("visibilitychange", this.seen);
    cancelAnimationFrame(this.frame);
    clearTimeout(this.map.fading);
  }

  // --- building

  build() {
    this.dot = make("span", { class: "ct-dot", "aria-hidden": "true" });
    this.words = make("span", { role: "status", "aria-live": "polite" });
    this.age = make("span", { class: "ct-age" });
    this.wrong = make("button", { type: "button", class: "ct-link", hidden: true, click: () => this.open("Problems") });
    this.troubled = make("button", {
      type: "button",
      class: "ct-link",
      hidden: true,
      title: "show only these",
      click: () => this.showTroubled(),
    });
    this.banner = make("div", { class: "ct-banner" }, this.dot, this.words, this.troubled, this.wrong, this.age);
    this.map = new ClusterMap({ onPick: (shard) => this.pick(shard), onPoint: (shard, aloud) => this.describe(shard, aloud) });
    this.legend = make("div", { class: "ct-legend" });
    this.note = make("div", { class: "ct-hint ct-note", hidden: true });
    this.grids = {
      Members: new Grid("members", MEMBER_COLUMNS),
      Shards: new Grid("shards", SHARD_COLUMNS, { onPick: (key) => this.pickRow(key) }),
      Services: new Grid("services", SERVICE_COLUMNS),
    };
    this.problems = new Problems(this.moments);
    this.timeline = new Timeline(this.moments);
    this.bar = new TimeBar(this.moments);
    this.side = make("div", { class: "ct-side", role: "status", "aria-live": "polite" });
    this.panels = {
      Map: make("div", {}, this.buildTools(), this.map.element, this.note),
      Problems: this.problems.element,
      Members: this.grids.Members.element,
      Shards: this.grids.Shards.element,
      Services: this.grids.Services.element,
      Timeline: this.timeline.element,
    };
    this.tabs = Object.fromEntries(TABS.map((tab) => [tab, this.tabOf(tab)]));
    for (const tab of TABS) {
      this.panels[tab].classList.add("ct-panel");
      for (const [name, value] of Object.entries({
        role: "tabpanel",
        id: `${this.name}-${tab}`,
        "aria-labelledby": `${this.name}-tab-${tab}`,
      }))
        this.panels[tab].setAttribute(name, value);
    }
    const list = make(
      "div",
      { class: "ct-tabs", role: "tablist", "aria-label": "Views", keydown: (event) => this.switchTab(event) },
      ...Object.values(this.tabs),
    );
    const top = make("div", { class: "ct-top" }, list, this.banner);
    const body = make("div", { class: "ct-body" }, ...Object.values(this.panels));
    // The front end's own shortcuts stay out of what is typed here.
    this.root = make(
      "div",
      { class: "casty-topology", "data-lm-suppress-shortcuts": "true", keydown: (event) => this.key(event) },
      top,
      body,
      this.side,
      this.bar.element,
    );
  }

  /** What the reader can have otherwise on the map, and the field to find something by. */
  buildTools() {
    const replicas = make("input", { type: "checkbox", change: () => this.map.wish({ replicas: replicas.checked }) });
    this.compact = make("input", { type: "checkbox", change: () => this.map.wish({ compact: this.compact.checked }) });
    const orders = Object.entries(ORDERS).map(([order, words]) => make("option", { value: order }, words));
    this.order = make(
      "select",
      { "aria-label": "Order of nodes", change: () => this.map.wish({ order: this.order.value }) },
      ...orders,
    );
    const zoom = (step) => () => this.map.wish({ zoom: Math.max(-6, Math.min(6, this.map.wishes.zoom + step)) });
    const smaller = make("button", { type: "button", class: "ct-button", "aria-label": "Smaller cells", click: zoom(-1) }, "−");
    const larger = make("button", { type: "button", class: "ct-button", "aria-label": "Larger cells", click: zoom(1) }, "+");
    this.sought = make("input", {
      type: "search", class: "ct-find", "aria-label": "Find", placeholder: "/ node, number or type/entity", maxlength: 200,
      title: "a node, a number, or counter/user-42: / comes here, Enter asks the kernel where an entity is", input: () => this.find(), keydown: (event) => this.seek(event),
    }); // prettier-ignore
    this.reportButton = make(
      "button",
      {
        type: "button",
        class: "ct-button",
        click: () => this.moments.report(),
      },
      "Report",
    );
    const checks = [
      make("label", { class: "ct-check" }, this.compact, " compact"),
      make("label", { class: "ct-check" }, replicas, " replicas"),
    ];
    return make(
      "div",
      { class: "ct-tools" },
      this.legend,
      this.sought,
      this.order,
      ...checks,
      make("span", { class: "ct-zoom" }, smaller, larger),
      this.reportButton,
    );
  }

  tabOf(tab) {
    return make(
      "button",
      {
        type: "button",
        role: "tab",
        id: `${this.name}-tab-${tab}`,
        "aria-controls": `${this.name}-${tab}`,
        click: () => this.open(tab),
      },
      tab,
    );
  }

  switchTab(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    this.open(TABS[(TABS.indexOf(this.tab) + step + TABS.length) % TABS.length]);
    this.tabs[this.tab].focus();
    event.preventDefault();
    event.stopPropagation();
  }

  open(tab) {
    this.tab = tab;
    for (const each of TABS) {
      this.panels[each].hidden = each !== tab;
      this.tabs[each].setAttribute("aria-selected", String(each === tab));
      this.tabs[each].tabIndex = each === tab ? 0 : -1;
    }
    this.drawn = null;
    this.draw();
    if (tab === "Map") this.map.relayout();
  }

  // --- finding

  /** "/" goes to the field, from wherever nothing is being typed. */
  key(event) {
    if (
      event.key !== "/" ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      event.target.closest("input:not([type=checkbox]):not([type=range])")
    )
      return;
    event.preventDefault();
    event.stopPropagation();
    this.open("Map");
    this.sought.focus();
    this.sought.select();
  }

  seek(event) {
    if (event.key === "Escape") this.sought.value = "";
    else if (event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter" && isTarget(this.sought.value)) this.moments.locate(this.sought.value.trim());
    this.find();
  }

  /** Light up what is looked for, as it is in what is shown; `go` there if somebody has just asked. */
  find(go = true) {
    const state = this.moments.shown;
    const { located } = this.moments;
    const asked = located?.target === this.sought.value.trim() ? located : null;
    if (asked?.error) return void this.lightUp({ ...find(state, ""), words: asked.error }, go);
    if (asked && asked.shard == null)
      return void this.lightUp({ ...find(state, ""), words: asked.words ?? "asking the kernel …" }, go);
    this.lightUp(
      asked ? foundCells(state, [[asked.type, asked.shard]], `${asked.target} is in `) : find(state, this.sought.value),
      go,
    );
  }

  lightUp(found, go) {
    const hidden = go && found.lanes.length && !this.map.layout?.lanes.some(({ number }) => found.lanes.includes(number));
    if (hidden) this.arrange("name");
    this.map.light(found, go);
    this.finding = found.words;
    this.describe(null);
  }

  arrange(order) {
    this.order.value = order;
    this.map.wish({ order });
  }

  showTroubled() {
    this.open("Map");
    this.arrange("only");
  }

  // --- being looked at

  watchEyes() {
    let inSight = false;
    this.seen = () => this.moments.see(this, inSight && !document.hidden);
    this.eyes = new IntersectionObserver((entries) => {
      inSight = entries.at(-1).isIntersecting;
      this.seen();
    });
    this.eyes.observe(this.root);
    document.addEventListener("visibilitychange", this.seen);
  }

  watchSize() {
    this.sizes = new ResizeObserver(() => {
      this.map.relayout();
      this.bar.mark(); // Else the marks stay where other moments are now.
    });
    for (const element of [this.map.element, this.bar.element]) this.sizes.observe(element);
    this.themes = new MutationObserver(() => this.map.draw());
    for (const element of [document.documentElement, document.body]) this.themes.observe(element, { attributes: true });
  }

  // --- drawing

  schedule() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    const state = this.moments.shown;
    this.drawBanner(state);
    this.bar.update();
    this.nameTabs(state);
    this.drawReport();
    const key = `${this.tab} ${this.moments.untold + this.moments.events.length}`;
    if (this.drawn?.state === state && this.drawn.key === key && this.moments.located === this.heard) return;
    const answered = this.moments.located !== this.heard;
    this.heard = this.moments.located;
    this.drawn = { state, key };
    this.drawLegend(state);
    if (this.tab === "Map") this.map.update(state, !this.moments.past);
    else if (this.tab === "Timeline") this.timeline.update();
    else if (this.tab === "Problems") this.problems.update(state);
    else
      this.table(state).update(
        this.tab === "Shards" ? new ShardRows(state) : this.tab === "Members" ? memberRows(state) : serviceRows(state),
      );
    this.compact.checked = this.map.layout?.compact ?? false;
    this.drawActivity(state);
    if (this.sought.value) this.find(answered);
    this.describe(this.pointed && this.shard(this.pointed.type, this.pointed.id));
  }

  drawReport() {
    const { reporting, reportNote } = this.moments;
    this.reportButton.disabled = reporting;
    say(this.reportButton, reporting ? "Writing …" : reportNote ? "No report" : "Report");
    this.reportButton.title = reportNote || "all that is known as one file, which opens anywhere";
  }

  /** The open table, with columns in the cluster's words. */
  table(state) {
    const shape = shapeOf(state);
    if (shape !== this.shape) this.columns = columnsOf(state);
    this.shape = shape;
    const grid = this.grids[this.tab];
    grid.setColumns(this.columns[this.tab]);
    return grid;
  }

  drawBanner(state) {
    const { connection, since: changed, colour } = state.status;
    // Moments that are gone back to do not say how the connection is marked, which does not change.
    if (colour) this.banner.style.borderLeft = `.5em solid ${colour}`;
    this.readOnly ||= state.status.read_only;
    const name = `${state.status.name}${this.readOnly ? " (read-only)" : ""}`;
    const { members, down } = summaryOf(state);
    const people = `${many(members, "member")}${down ? `, ${down} in trouble` : ""}`;
    const words = {
      live: `Connected to ${name} · ${people}`,
      connecting: `Connecting to ${name}: no snapshot yet`,
      lost: `No node of ${name} is reachable since ${clock(changed)} · this is its last state`,
      closed: `Connection to ${name} closed at ${clock(changed)} · this is its last state`,
      recorded: `Recording of ${name} · ${people}`,
    };
    const past = this.moments.past !== null;
    const { note, wanted } = this.moments;
    const then = `${name} as it was at ${clock(state.time, true)} · ${people}`;
    const coming = wanted === null ? "" : ` · fetching ${clock(wanted, true)} …`;
    const silent = this.moments.silence > 0 && connection !== "closed";
    const since = Date.now() - this.moments.silence;
    const gone = `No answer from the kernel since ${clock(since)}: it is busy, or gone · this is the last that is known of ${name}`;
    say(this.words, `${past ? then : silent ? gone : words[connection]}${note ? ` · ${note}` : ""}${coming}`);
    this.root.dataset.connection = past ? "past" : connection;
    this.root.dataset.trouble = String(down > 0);
    this.root.dataset.stale = String(state.status.stale || silent);
    this.root.dataset.silent = String(silent);
    say(this.age, past ? "" : this.ageOf(state));
  }

  /** What is wrong by its count, at the tab and in the banner, where a click leads to the list. */
  nameTabs({ status, problems }) {
    const count = problems?.[0] ?? 0;
    const [, placements, , services] = status.words;
    const named = {
      Problems: `Problems${count ? ` (${count.toLocaleString("en")})` : ""}`,
      Shards: capital(placements),
      Services: capital(services),
    };
    for (const [tab, words] of Object.entries(named)) say(this.tabs[tab], words);
    this.tabs.Problems.classList.toggle("ct-trouble", count > 0);
    const troubled = this.moments.shown.nodes
      .filter((node) => node?.health === "bad" && node.status != null)
      .map(({ name }) => name)
      .sort(inOrder);
    this.troubled.hidden = !troubled.length;
    say(this.troubled, `✕ ${troubled.slice(0, 3).join(", ")}${troubled.length > 3 ? ` +${troubled.length - 3}` : ""}`);
    this.wrong.hidden = !count;
    say(this.wrong, many(count, "problem"));
  }

  /** Counted here, second by second, so that it goes on when nobody says anything any more. */
  ageOf({ status }) {
    const { snapshotAt } = this.moments;
    if (snapshotAt === null || !["live", "lost"].includes(status.connection)) return "";
    return `snapshot ${ageOf((performance.now() - snapshotAt) / 1000)} old`;
  }

  drawLegend(state) {
    const text = [...state.types.values()]
      .map((type) => `${type.name} ${type.ids.length} ${type.total} ${type.odd} ${type.ownerless}`)
      .join();
    if (this.legendText === text) return;
    this.legendText = text;
    const entries = [...state.looks].map(([name, look]) => {
      const { ids, total, odd, ownerless } = state.types.get(name);
      const count =
        total == null ? ids.length.toLocaleString("en") : `${ids.length.toLocaleString("en")} of ${total.toLocaleString("en")}`;
      const strange = odd ? `, ${odd.toLocaleString("en")} with impossible numbers` : "";
      const swatch = make("span", { class: "ct-swatch", style: `background:${look.colour}`, "aria-hidden": "true" });
      const gone = ownerless ? make("b", { class: "ct-ownerless" }, `, ${ownerless.toLocaleString("en")} without an owner`) : "";
      return make("span", { class: "ct-key" }, swatch, make("b", {}, look.letter), ` ${name} (${count}${strange}`, gone, ")");
    });
    this.legend.replaceChildren(
      ...(entries.length ? entries : [make("span", { class: "ct-hint" }, `no ${state.status.words[1]} listed`)]),
    );
  }

  /** Below the map: whose dots they are and how many keys one is; or how to get them. */
  drawActivity({ activity: { hint, looks, per, rows } }) {
    const counts = looks.map(() => 0);
    for (const each of rows.values()) for (const { type, active } of each) if (type in counts) counts[type] += active;
    const dots = per > 1 && !this.map.layout?.compact ? `a dot is ${per.toLocaleString("en")} keys` : "";
    const text = [hint, dots, ...looks.map(({ name, letter, colour }, place) => [name, letter, colour, counts[place]])].join();
    if (this.activityText === text) return;
    this.activityText = text;
    this.note.hidden = !hint && !looks.length;
    const living = looks.map((look, place) => ({ ...look, place })).filter(({ place }) => counts[place]);
    const entries = living.map(({ name, letter, colour, place }) => {
      const dot = make("span", { class: "ct-swatch ct-round", style: `background:${colour}`, "aria-hidden": "true" });
      return make("span", {}, dot, make("b", {}, letter), ` ${name} (${counts[place].toLocaleString("en")})`);
    });
    this.note.replaceChildren(hint || "active keys", ...entries, dots);
  }

  // --- one shard

  pickRow(key) {
    const [type, id] = key.split("\n");
    const shard = this.shard(type, Number(id));
    if (shard) this.pick(shard);
  }

  shard(type, id) {
    return shardAt(this.moments.shown, type, id);
  }

  /** Copies what the shard is called, nothing that could be run. */
  async pick(shard) {
    const done = await copy(titleOf(this.moments.shown, shard.type, shard.id));
    const until = performance.now() + 3000;
    this.pointed = null;
    this.picked = () => {
      const now = this.shard(shard.type, shard.id) ?? { ...shard, owner: null, replicas: [] };
      return { ...now, note: performance.now() < until ? (done ? "copied" : "copying is not allowed here") : "" };
    };
    this.describe(this.picked());
    setTimeout(() => this.picked && this.describe(this.picked()), 3100);
  }

  /** The shard that is pointed at, else the one that was picked, as they are now. */
  describe(shard, aloud = false) {
    this.side.setAttribute("aria-live", aloud || shard?.note ? "polite" : "off");
    this.pointed = shard && !shard.note && !shard.words ? shard : null;
    if (shard?.words) return void say(this.side, shard.words);
    const about = shard ?? (this.finding ? null : this.picked?.());
    if (!about && this.finding) return void say(this.side, this.finding);
    if (!about)
      return void say(
        this.side,
        shardCount(this.moments.shown)
          ? `Point at a ${this.moments.shown.status.words[0]} for its owner, click to copy its name.`
          : "",
      );
    const { type, id, owner, replicas, note } = about;
    const home = owner ? `${owner.name} (${owner.address}), ${healthOf(owner)}` : "nobody that is listed";
    const copies = replicas.length ? replicas.map((node) => node?.name ?? "?").join(", ") : "none";
    say(this.side, `${titleOf(this.moments.shown, type, id)} · owner ${home} · replicas ${copies}${note ? ` · ${note}` : ""}`);
  }
}

/** The pictures beside the view that are for pages without a kernel; Jupyter's own pages hide them by their style. */
const stillsOf = (key) =>
  [...document.querySelectorAll(`.ct-still-${key}`)].filter((still) => !still.closest(".jp-OutputArea-child"));

// One `Moments` for all views of a widget in this page, however the front end loads this module.
const shared = new Map();

function share(model) {
  const key = model.get("key");
  const known = shared.get(key) ?? { moments: new Moments(model), users: 0 };
  known.users += 1;
  shared.set(key, known);
  const release = () => {
    known.users -= 1;
    if (known.users > 0) return;
    shared.delete(key);
    known.moments.close();
  };
  return [known.moments, release];
}

/** Moments are collected as long as the model lives, views or not. */
function initialize({ model }) {
  const [, release] = share(model);
  return release;
}

function render({ model, el }) {
  const [moments, release] = share(model);
  const view = new View(moments, el);
  el.castyView = view;
  return () => {
    view.close();
    release();
  };
}

export default { initialize, render };
