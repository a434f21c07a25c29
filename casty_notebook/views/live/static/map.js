// The map: labels are elements (read aloud, selected, themed by CSS), shards are drawn on one canvas of the visible part.

import { activeWords, activityAt, cellAt, cellOf, cornerOf, DOT, DOTS_AFTER, laneAt, layoutOf, letterOf } from "./layout.js";
import { healthOf, make, many, markOf, say } from "./look.js";
import { placeOf, shardAt, shardCount } from "./state.js";

const HIGHLIGHT = 6000; // ms that a moved shard and a changed lane stay marked
const TEXTURES = [
  [], // plain
  [[0, 4, 4, 0]], // rising
  [[0, 0, 4, 4]], // falling
  [[0, 2, 4, 2]], // level
  [[2, 0, 2, 4]], // upright
  [[0, 4, 4, 0], [0, 0, 4, 4]], // crossed
  [[1, 2, 3, 2]], // dashed
]; // prettier-ignore

export class ClusterMap {
  constructor({ onPick, onPoint }) {
    this.onPick = onPick;
    this.onPoint = onPoint;
    this.wishes = { replicas: false, order: "name", compact: null, zoom: 0 };
    this.found = { cells: new Set(), nodes: new Set(), lanes: [] }; // what the reader looks for: "type/id", numbers of nodes
    this.cursor = null;
    this.news = new Map(); // "type/id" → {from, until}
    this.laneNews = new Map(); // node's address → {gained, lost, health, until}
    this.seen = null;
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.labels = make("div", { class: "ct-lanes", role: "list", "aria-label": "Nodes" });
    this.empty = make("div", { class: "ct-hint ct-empty", hidden: true }, "no node is in trouble");
    this.room = make("div", { class: "ct-room" }, this.canvas, this.labels, this.empty);
    this.element = make(
      "div",
      {
        class: "ct-map", tabindex: 0, role: "application", "aria-roledescription": "cluster map",
        scroll: () => this.draw(), keydown: (event) => this.key(event), pointermove: (event) => this.point(event),
        pointerleave: () => this.onPoint(null), click: (event) => this.click(event), blur: () => this.draw(), focus: () => this.draw(),
      }, // prettier-ignore
      this.room,
    );
  }

  // --- what is shown

  update(state, live) {
    if (state !== this.state && this.state && live) this.note(this.state, state);
    if (!live) this.forget();
    const changed = state !== this.state;
    this.state = state;
    if (changed) this.relayout();
  }

  forget() {
    this.news.clear();
    this.laneNews.clear();
  }

  /** Remember what moved, to mark it for a while. */
  note(before, after) {
    const until = performance.now() + HIGHLIGHT;
    const lane = (number) => {
      const address = after.nodes[number]?.address;
      if (!address) return {};
      const known = this.laneNews.get(address) ?? { gained: 0, lost: 0, word: "" };
      this.laneNews.set(address, { ...known, until });
      return this.laneNews.get(address);
    };
    if (before.edition !== after.edition) return;
    for (const [name, moved] of after.moved) {
      const type = after.types.get(name);
      for (const [id, from] of moved) {
        this.news.set(`${name}/${id}`, { from, until });
        lane(shardOwner(after, type, id)).gained += 1;
        if (from >= 0) lane(from).lost += 1;
      }
    }
    after.nodes.forEach((node, number) => {
      const old = before.nodes[number];
      if (!node || old === node) return;
      if (!old) lane(number).word = "joined";
      else if (old.health !== node.health)
        lane(number).word = node.health === "bad" ? "node lost" : node.health === "good" ? "back" : "";
      else if (!old.leader && node.leader) lane(number).word = "leads now";
    });
  }

  /** How the reader wants it: see `layoutOf`. */
  wish(wishes) {
    Object.assign(this.wishes, wishes);
    this.relayout();
  }

  /** Light up cells and nodes, and perhaps go to the first of them. */
  light(found, go) {
    this.found = found;
    const [first] = found.lanes;
    const lane = this.layout?.lanes.find(({ number }) => number === first);
    if (lane && go) this.element.scrollTop = Math.max(0, lane.top - this.element.clientHeight / 3);
    this.draw();
  }

  relayout() {
    const width = this.element.clientWidth;
    if (!this.state || !width) return;
    this.layout = layoutOf(this.state, width, this.wishes);
    this.element.classList.toggle("ct-compact", this.layout.compact);
    this.empty.hidden = this.layout.lanes.length > 0;
    this.looks = this.state.looks;
    this.room.style.height = `${Math.max(44, this.layout.height)}px`;
    const { members, down } = summaryOf(this.state);
    const trouble = down ? `, ${many(down, "node")} in trouble` : "";
    this.element.setAttribute(
      "aria-label",
      `Map of ${many(members, "node")} with ${many(shardCount(this.state), ...this.state.status.words.slice(0, 2))}${trouble}. Arrow keys walk, Enter copies.`,
    );
    this.draw();
  }

  // --- drawing

  draw() {
    if (!this.layout || !this.element.clientHeight) return;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      const now = performance.now();
      this.expire(now);
      this.paint(now);
      this.label();
      // Fading needs no more than ten pictures a second.
      clearTimeout(this.fading);
      if (this.news.size || this.laneNews.size) this.fading = setTimeout(() => this.draw(), 100);
    });
  }

  expire(now) {
    for (const news of [this.news, this.laneNews]) for (const [key, { until }] of news) if (until < now) news.delete(key);
  }

  visibleLanes() {
    const top = this.element.scrollTop;
    const bottom = top + this.element.clientHeight;
    const first = Math.max(0, this.layout.lanes.indexOf(laneAt(this.layout, top)));
    let last = first;
    while (last < this.layout.lanes.length && this.layout.lanes[last]?.top < bottom) last += 1;
    return this.layout.lanes.slice(first, last);
  }

  paint(now) {
    const { clientWidth: width, clientHeight: height, scrollTop } = this.element;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      this.canvas.style.width = `${width}px`;
      this.canvas.style.height = `${height}px`;
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.translate(0, -scrollTop);
    this.colours(pen, ratio);
    for (const lane of this.visibleLanes()) {
      this.paintLane(pen, lane, now);
      this.paintActivity(pen, lane);
    }
    if (this.cursor && document.activeElement === this.element) this.ring(pen, this.cursor, this.ink.text, 2, 1);
  }

  /** Colours of the theme, read anew for each picture: the front end may switch it at any time. */
  colours(pen, ratio) {
    const css = getComputedStyle(this.element);
    const read = (name) => css.getPropertyValue(name).trim();
    this.ink = {
      text: css.color,
      faint: read("--ct-faint"),
      bad: read("--ct-bad"),
      ground: read("--ct-ground"),
      news: read("--ct-news"),
    };
    const key = `${this.ink.ground} ${ratio} ${[...this.looks.keys()]}`;
    if (this.patternKey === key) return;
    this.patternKey = key;
    this.patterns = new Map([...this.looks].map(([name, look]) => [name, patternOf(pen, look, this.ink.ground, ratio)]));
  }

  paintLane(pen, lane, now) {
    const { cell, step } = this.layout;
    const bad = lane.node.health === "bad";
    for (const group of lane.groups) {
      const look = this.looks.get(group.name);
      const [x, y] = letterOf(this.layout, lane, group);
      pen.fillStyle = this.ink.text;
      pen.font = `600 ${Math.max(10, Math.min(cell, 12))}px ${getComputedStyle(this.element).fontFamily}`;
      pen.textBaseline = "middle";
      pen.fillText(look.letter, x, y + Math.max(cell, 8) / 2 + 0.5);
      pen.fillStyle = cell >= 6 ? this.patterns.get(group.name) : look.colour;
      pen.strokeStyle = bad ? this.ink.bad : look.colour;
      pen.globalAlpha = bad ? 0.35 : 1;
      pen.lineWidth = 1.5;
      pen.beginPath();
      for (let at = 0; at < group.ids.length; at += 1) {
        const [left, top] = cornerOf(this.layout, lane, group.first + at);
        if (group.kind === "owned") pen.rect(left, top, cell, cell);
        else pen.rect(left + 1, top + 1, cell - 2, cell - 2);
      }
      if (group.kind === "owned") pen.fill();
      else pen.stroke();
      pen.globalAlpha = 1;
      if (bad) this.strike(pen, lane, group);
      if (this.found.cells.size) this.lightCells(pen, lane, group);
      if (this.news.size && group.kind === "owned") {
        group.ids.forEach((id, at) => {
          const news = this.news.get(`${group.name}/${id}`);
          if (news)
            this.ring(
              pen,
              { lane, group, at },
              this.ink.news,
              Math.min(2.5, step / 6 + 0.5),
              Math.min(1, (news.until - now) / 3000),
            );
        });
      }
    }
  }

  /** Active keys as dots, one for each or for several; a deep mailbox swells the first and is said in reverse. */
  paintActivity(pen, lane) {
    const family = getComputedStyle(this.element).fontFamily;
    pen.textBaseline = "middle";
    for (const each of lane.activity) {
      const middle = lane.top + this.layout.padding + each.y + 8;
      pen.font = `600 11px ${family}`;
      pen.fillStyle = this.ink.text;
      pen.fillText(each.look.letter, each.x + 1, middle + 0.5);
      let x = each.x + DOTS_AFTER;
      pen.fillStyle = each.look.colour;
      pen.beginPath();
      for (let dot = 0; dot < each.dots; dot += 1) {
        const radius = each.deep && dot === 0 ? 5 : 3;
        pen.moveTo(x + 4 + radius + dot * DOT, middle);
        pen.arc(x + 4 + dot * DOT, middle, radius, 0, 2 * Math.PI);
      }
      pen.fill();
      x += each.dots * DOT + 4;
      pen.font = `11px ${family}`;
      pen.fillStyle = this.ink.text;
      pen.fillText(each.count, x, middle + 0.5);
      x += pen.measureText(each.count).width + 6;
      if (each.deep) {
        pen.font = `600 11px ${family}`;
        const wide = pen.measureText(each.waits).width + 8;
        pen.beginPath();
        pen.roundRect(x, middle - 7, wide, 14, 3);
        pen.fill();
        pen.fillStyle = this.ink.ground;
        pen.fillText(each.waits, x + 4, middle + 0.5);
      } else if (each.waits) {
        pen.fillStyle = this.ink.faint;
        pen.fillText(each.waits, x, middle + 0.5);
      }
    }
  }

  lightCells(pen, lane, group) {
    group.ids.forEach((id, at) => {
      if (!this.found.cells.has(`${group.name}/${id}`)) return;
      const [left, top] = cornerOf(this.layout, lane, group.first + at);
      const { cell } = this.layout;
      pen.fillStyle = this.ink.news;
      if (cell < 11) pen.fillRect(left - 1, top - 1, cell + 2, cell + 2);
      this.ring(pen, { lane, group, at }, this.ink.news, 3, 1);
      // A cross of hairs shows where a small cell is.
      pen.fillRect(left + cell / 2 - 0.5, lane.top, 1, lane.height);
      pen.fillRect(this.layout.left, top + cell / 2 - 0.5, this.layout.width - this.layout.left, 1);
    });
  }

  /** Cells whose owner is not reachable are struck through: seen without any colour. */
  strike(pen, lane, group) {
    const { cell } = this.layout;
    pen.strokeStyle = this.ink.bad;
    pen.lineWidth = cell >= 10 ? 1.5 : 1;
    pen.beginPath();
    for (let at = 0; at < group.ids.length; at += 1) {
      const [left, top] = cornerOf(this.layout, lane, group.first + at);
      pen.moveTo(left, top + cell);
      pen.lineTo(left + cell, top);
      if (cell >= 10) {
        pen.moveTo(left, top);
        pen.lineTo(left + cell, top + cell);
      }
    }
    pen.stroke();
  }

  ring(pen, { lane, group, at }, colour, width, alpha) {
    const [left, top] = cornerOf(this.layout, lane, group.first + at);
    pen.globalAlpha = alpha;
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.strokeRect(left - width / 2 + 0.5, top - width / 2 + 0.5, this.layout.cell + width - 1, this.layout.cell + width - 1);
    pen.globalAlpha = 1;
  }

  // --- labels

  label() {
    const lanes = this.visibleLanes();
    while (this.labels.children.length > lanes.length) this.labels.lastChild.remove();
    while (this.labels.children.length < lanes.length) this.labels.append(newLabel());
    lanes.forEach((lane, place) => this.fillLabel(this.labels.children[place], lane));
  }

  fillLabel(label, lane) {
    const { node } = lane;
    const news = this.laneNews.get(node.address);
    label.style.transform = `translateY(${lane.top}px)`;
    label.style.height = `${lane.height}px`;
    label.dataset.health = node.health;
    label.dataset.node = node.name;
    label.classList.toggle("ct-news", Boolean(news));
    label.classList.toggle("ct-found", this.found.nodes.has(lane.number));
    const [head, load, words, active, badges, change] = label.firstChild.children;
    const [mark, name, crown] = head.children;
    say(mark, markOf(node));
    say(name, node.name);
    name.title = `${node.name} at ${node.address}`;
    say(crown, node.leader ? "★ leader" : "");
    const [placement, placements] = this.state.status.words;
    const replicas = this.wishes.replicas ? ` + ${many(lane.replicas, "replica")}` : "";
    say(load, `${many(lane.shards, placement, placements)}${replicas}`);
    say(words, node.health === "good" ? (node.rtt == null ? "" : `${node.rtt} ms`) : healthOf(node));
    say(active, lane.activity.length ? activeWords(lane) : "");
    const changes = news ? [news.gained && `+${news.gained}`, news.lost && `−${news.lost}`, news.word] : [];
    say(change, changes.filter(Boolean).join(" · "));
    words.title = node.reason;
    const wanted = lane.services.map(([service, count]) => (count > 1 ? `${service} ×${count}` : service));
    if (badges.dataset.of !== wanted.join("\n")) {
      badges.dataset.of = wanted.join("\n");
      badges.replaceChildren(
        ...wanted.slice(0, 3).map((text) => make("span", { class: "ct-badge", title: `service ${text}` }, text)),
      );
      if (wanted.length > 3)
        badges.append(make("span", { class: "ct-badge", title: wanted.slice(3).join(", ") }, `+${wanted.length - 3}`));
    }
  }

  // --- pointing and walking

  shardOf({ group, at }) {
    return shardAt(this.state, group.name, group.ids[at]);
  }

  placeOf(event) {
    const box = this.element.getBoundingClientRect();
    const x = event.clientX - box.left - this.element.clientLeft;
    return [x, event.clientY - box.top - this.element.clientTop + this.element.scrollTop];
  }

  hit(event) {
    return this.layout ? cellAt(this.layout, ...this.placeOf(event)) : null;
  }

  /** In words, the active keys that are pointed at. */
  activeOf(event) {
    const [x, y] = this.placeOf(event);
    const each = this.layout ? activityAt(this.layout, x, y) : null;
    if (!each) return null;
    const waiting = each.queued
      ? `${many(each.queued, "message")} waiting, ${each.deepest.toLocaleString("en")} in the deepest mailbox`
      : "nothing waits in their mailboxes";
    return {
      words: `${each.look.name} on ${laneAt(this.layout, y).node.name} · ${many(each.active, "active key")} · ${waiting}`,
    };
  }

  point(event) {
    const cell = this.hit(event);
    this.element.style.cursor = cell ? "pointer" : "";
    this.onPoint(cell ? this.shardOf(cell) : this.activeOf(event));
  }

  click(event) {
    const cell = this.hit(event);
    if (cell) this.pick(cell);
  }

  pick(cell) {
    this.cursor = cell;
    this.draw();
    this.onPick(this.shardOf(cell));
  }

  key(event) {
    const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (step && this.layout) this.walk(...step);
    else if ((event.key === "Enter" || event.key === " ") && this.cursor) this.pick(this.cursor);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Right and left go through a lane's cells, down and up through the lanes. */
  walk(right, down) {
    const lanes = this.layout.lanes.filter((lane) => lane.groups.length);
    if (!lanes.length) return;
    const cursor = this.cursor && cellOf(this.layout, this.cursor.group.name, this.cursor.group.ids[this.cursor.at]);
    let lane = cursor ? lanes.indexOf(cursor.lane) : 0;
    let at = cursor ? countBefore(cursor) : -1;
    if (!cursor) [right, down] = [1, 0];
    lane = Math.max(0, Math.min(lanes.length - 1, lane + down));
    at = Math.max(0, Math.min(countOf(lanes[lane]) - 1, at + right));
    this.cursor = cellNumber(lanes[lane], at);
    const { top, height } = lanes[lane];
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top + height > this.element.scrollTop + this.element.clientHeight)
      this.element.scrollTop = top + height - this.element.clientHeight;
    this.draw();
    this.onPoint(this.shardOf(this.cursor), true);
  }
}

function shardOwner(state, type, id) {
  return state.placements[type.codes[placeOf(type, id)]][0];
}

const countOf = (lane) => lane.groups.reduce((sum, group) => sum + group.ids.length, 0);

function countBefore({ lane, group, at }) {
  let count = at;
  for (const each of lane.groups) {
    if (each === group) return count;
    count += each.ids.length;
  }
  return count;
}

function cellNumber(lane, number) {
  for (const group of lane.groups) {
    if (number < group.ids.length) return { lane, group, at: number };
    number -= group.ids.length;
  }
  return null;
}

export function summaryOf(state) {
  const nodes = state.nodes.filter((node) => node?.status != null);
  return { members: nodes.length, down: nodes.filter((node) => node.health === "bad").length };
}

function newLabel() {
  const head = make(
    "div",
    { class: "ct-head" },
    make("span", { class: "ct-mark", "aria-hidden": "true" }),
    make("span", { class: "ct-name" }),
    make("span", { class: "ct-crown" }),
  );
  const rest = ["ct-load", "ct-words", "ct-active", "ct-badges", "ct-change"].map((name) => make("div", { class: name }));
  return make("div", { class: "ct-lane", role: "listitem" }, make("div", { class: "ct-label" }, head, ...rest));
}

/** A type's colour with its texture in the ground's colour. */
function patternOf(pen, look, ground, ratio) {
  const strokes = TEXTURES[look.texture];
  if (!strokes.length) return look.colour;
  const tile = document.createElement("canvas");
  tile.width = tile.height = Math.round(4 * ratio);
  const brush = tile.getContext("2d");
  brush.scale(tile.width / 4, tile.height / 4);
  brush.fillStyle = look.colour;
  brush.fillRect(0, 0, 4, 4);
  brush.strokeStyle = ground;
  brush.globalAlpha = 0.55;
  for (const [x0, y0, x1, y1] of strokes) {
    brush.beginPath();
    brush.moveTo(x0, y0);
    brush.lineTo(x1, y1);
    brush.stroke();
  }
  const pattern = pen.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(4 / tile.width));
  return pattern;
}
