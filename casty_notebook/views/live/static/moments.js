// What one page knows of the view: the states it was sent, which of them is shown, and what happened. One for all views
// of a model in a page, so that they show the same.

import { applyDelta, decodeFull } from "./state.js";

const MOST_MOMENTS = 2000;
const MOST_BYTES = 32e6;
const MOST_EVENTS = 5000;
const LOOK_EVERY = 15000;
const ANSWER_WITHIN = 10000;

export class Moments {
  // live --goTo--> past --goLive--> live. Moments are added in both; a gap in their numbers asks for the full state.
  constructor(model) {
    this.model = model;
    this.page = crypto.randomUUID?.() ?? String(Math.random());
    this.moments = [];
    this.events = [];
    this.lost = 0; // moments that were dropped because there were too many
    this.untold = 0; // events from before those that are kept here
    this.past = null;
    this.listeners = new Set();
    this.eyes = new Set();
    this.heardAt = performance.now();
    this.received = { messages: 0, bytes: 0 };
    this.receive = (content, buffers) => this.hear(content, buffers ?? []);
    model.on("msg:custom", this.receive);
    const { head, buffers, story = [] } = model.get("full");
    for (const packet of story) this.take(packet.head, packet.buffers);
    this.lost = story[0]?.head.forgotten ?? 0;
    this.take(head, buffers);
    this.timer = setInterval(() => this.watch(), 1000);
    this.leave = () => this.look(false);
    window.addEventListener("pagehide", this.leave);
  }

  close() {
    clearInterval(this.timer);
    window.removeEventListener("pagehide", this.leave);
    this.model.off("msg:custom", this.receive);
    this.listeners.clear();
  }

  // --- from and to the kernel

  hear(content, buffers) {
    this.heardAt = performance.now();
    this.asked = null;
    this.received.messages += 1;
    this.received.bytes += buffers.reduce((sum, view) => sum + view.byteLength, JSON.stringify(content).length);
    if (content.kind === "here") {
      this.setAge(content.age);
      const { edition, sequence } = this.newest;
      if (content.page === this.page && (edition !== content.edition || sequence < content.sequence)) this.look(true, true);
      this.tell();
    } else if (content.kind === "full" || content.kind === "delta") this.take(content, buffers);
  }

  take(head, buffers) {
    const before = this.newest;
    if (before && head.sequence <= before.sequence) return;
    if (head.kind === "full") this.add(decodeFull(head, buffers));
    else if (before.edition === head.edition && head.sequence === before.sequence + 1) this.add(applyDelta(before, head, buffers));
    else return void this.look(true, true);
    this.addEvents(head);
    this.setAge(head.age);
    this.tell();
  }

  /** A full state repeats events that were told before. */
  addEvents({ kind, events: { rows, texts }, time, untold }) {
    const events = rows.map(([ago, ...places]) => [time - ago, ...places.map((place) => texts[place])]);
    if (kind === "full" && !this.events.length) this.untold = untold ?? 0;
    const known = kind === "full" ? new Set(this.events.map(String)) : null;
    this.events.push(...(known ? events.filter((event) => !known.has(String(event))) : events));
    const surplus = this.events.length - MOST_EVENTS;
    if (surplus > 0) {
      this.events = this.events.slice(surplus);
      this.untold += surplus;
    }
  }

  setAge(age) {
    this.snapshotAt = age === null ? null : performance.now() - age * 1000;
  }

  look(visible, full = false) {
    const now = performance.now();
    if (full && now - (this.wantedFull ?? -1e9) < 1000) return;
    if (full) this.wantedFull = now;
    this.lookedAt = now;
    if (visible) this.asked ??= now;
    else this.asked = null;
    this.model.send({ kind: "look", page: this.page, visible, full });
  }

  /** Every second: keep the kernel's updates coming while somebody looks, and notice when it does not answer. */
  watch() {
    const now = performance.now();
    // One question at a time: a kernel that is busy with a cell would find them all when it is done.
    if (this.eyes.size && this.asked == null && now - this.lookedAt > LOOK_EVERY) this.look(true);
    if (this.eyes.size) this.tell();
  }

  get silence() {
    const since = this.asked == null ? 0 : performance.now() - this.asked;
    return since > ANSWER_WITHIN ? since / 1000 : 0;
  }

  /** A view became visible or hidden. */
  see(view, visible) {
    const before = this.eyes.size > 0;
    this.eyes[visible ? "add" : "delete"](view);
    if (before !== this.eyes.size > 0) this.look(this.eyes.size > 0);
  }

  // --- what is kept and shown

  get newest() {
    return this.moments.at(-1);
  }

  get shown() {
    return this.past ?? this.newest;
  }

  get place() {
    return this.past ? this.moments.indexOf(this.past) : this.moments.length - 1;
  }

  add(state) {
    this.moments.push(state);
    let bytes = 0;
    let first = this.moments.length;
    while (first > 0 && (bytes += this.moments[first - 1].bytes) <= MOST_BYTES) first -= 1;
    const surplus = Math.max(Math.min(first, this.moments.length - 1), this.moments.length - MOST_MOMENTS);
    if (surplus > 0) {
      // The moment that somebody looks at is the last to go.
      const looked = this.past && this.moments.indexOf(this.past) < surplus;
      this.moments.splice(0, surplus);
      if (looked) this.moments.unshift(this.past);
      this.lost += surplus;
    }
  }

  goTo(place) {
    this.past = this.moments[Math.max(0, Math.min(place, this.moments.length - 1))];
    this.tell();
  }

  /** Show the first moment that is not before `time`. */
  goToTime(time) {
    const place = this.moments.findIndex((state) => state.time >= time);
    this.goTo(place < 0 ? this.moments.length - 1 : place);
  }

  goLive() {
    this.past = null;
    this.tell();
  }

  tell() {
    for (const listener of this.listeners) listener();
  }
}
