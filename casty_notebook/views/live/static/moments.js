// What one page knows of the view: the moments of its connection, which of them is shown, and what happened. One for all
// views of a model in a page, so that they show the same.

import { ageOf, clock, download } from "./look.js";
import { Past, timesFrom } from "./past.js";
import { applyDelta, decodeFull } from "./state.js";

const MOST_EVENTS = 5000;
const LOOK_EVERY = 15000;
const SILENT_AFTER = 5000; // ms; the kernel says every 2 s that it is there

export class Moments {
  // live --goTo--> fetching --picture--> past --goLive--> live; of a moment that this page has there is nothing to fetch.
  // Moments are added in all of them; a gap in the numbers of updates asks for the full state.
  constructor(model) {
    this.model = model;
    this.key = model.get("key");
    this.page = crypto.randomUUID?.() ?? String(Math.random());
    this.known = new Past();
    this.newest = null;
    this.events = [];
    this.kinds = {}; // what the kernel calls kinds of events
    this.untold = 0; // events from before those that are kept here
    this.past = null;
    this.wanted = null; // the time of the moment that is fetched for the reader
    this.asking = null; // the question that is on its way to the kernel: {time, at}
    this.note = ""; // why another moment is shown than the one that was wanted
    this.reporting = false; // whether a report is on its way
    this.reportNote = ""; // what is to be said of it
    this.located = null; // what somebody looks for, and what the kernel said of it
    this.complete = false; // whether the kernel has said which moments there were before this page
    this.listeners = new Set();
    this.eyes = new Set();
    this.heardAt = this.seenSince = performance.now();
    this.received = { messages: 0, bytes: 0 };
    this.receive = (content, buffers) => this.hear(content, buffers ?? []);
    model.on("msg:custom", this.receive);
    const { head, buffers, story = [] } = model.get("full");
    for (const packet of story) this.take(packet.head, packet.buffers);
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
    this.received.messages += 1;
    this.received.bytes += buffers.reduce((sum, view) => sum + view.byteLength, JSON.stringify(content).length);
    if (content.kind === "here") this.here(content);
    else if (content.kind === "past") this.fetched(content, buffers);
    else if (content.kind === "found") this.hearPlace(content);
    else if (content.kind === "report") this.hearReport(content, buffers);
    else if (content.kind === "beat") this.setAge(content.age);
    else if (content.kind === "full" || content.kind === "delta") this.take(content, buffers);
  }

  /** The kernel has read all that this page said until it looked. */
  here({ page, age, times, edition, sequence }) {
    this.setAge(age);
    if (page === this.page) {
      this.asked = null;
      if (times) {
        this.known.learn(timesFrom(times));
        this.complete = true;
      }
      if (this.newest.edition !== edition || this.newest.sequence < sequence) this.look(true, true);
      // An answer that did not come before this one got lost on its way.
      if (this.asking && this.asking.at < this.lookedAt) this.ask(this.wanted);
    }
    this.tell();
  }

  take(head, buffers) {
    const before = this.newest;
    if (head.kind === "full") this.add(decodeFull(head, buffers));
    else if (before.edition === head.edition && head.sequence === before.sequence + 1)
      this.add(applyDelta(before, head, buffers));
    else return void this.look(true, true);
    this.kinds = head.kinds ?? this.kinds;
    if (head.between) this.known.learn(timesFrom(head.between));
    this.addEvents(head);
    this.setAge(head.age);
    this.tell();
  }

  /** A full state repeats events that were told before. */
  addEvents({ kind, events: { rows, texts, says = [] }, time, untold }) {
    const by = says.flatMap(([text, count]) => Array(count).fill(text));
    const events = rows.map(([ago, ...places], row) => {
      const [what, subject, before, after, end = ""] = places.map((place) => texts[place]);
      return [time - ago, what, subject, before && before + end, after && after + end, by[row] ?? ""];
    });
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

  /** To a kernel that is gone nothing can be sent; that is seen by its silence. */
  send(content) {
    try {
      this.model.send(content);
    } catch {
      this.asked = null;
    }
  }

  look(visible, full = false) {
    const now = performance.now();
    if (full && now - (this.wantedFull ?? -1e9) < 1000) return;
    if (full) this.wantedFull = now;
    this.lookedAt = now;
    if (visible) this.asked ??= now;
    else this.asked = null;
    // Who missed an update may have missed the times that were told in it.
    this.send({ kind: "look", page: this.page, visible, full, times: visible && (full || !this.complete) });
  }

  /** Every second: keep the kernel's updates coming while somebody looks, and notice when it does not answer. */
  watch() {
    const now = performance.now();
    // One question at a time: a kernel that is busy with a cell would find them all when it is done. But one may be lost.
    const free = this.asked == null || now - this.asked > 2 * LOOK_EVERY;
    if (this.eyes.size && free && now - this.lookedAt > LOOK_EVERY) this.look(true);
    if (this.eyes.size) this.tell();
  }

  /** Milliseconds for which somebody has looked and the kernel has said nothing, once they are too many; else 0. */
  get silence() {
    const silent = this.eyes.size ? performance.now() - Math.max(this.heardAt, this.seenSince) : 0;
    return silent > SILENT_AFTER ? silent : 0;
  }

  /** A view became visible or hidden. */
  see(view, visible) {
    const before = this.eyes.size > 0;
    this.eyes[visible ? "add" : "delete"](view);
    if (before === this.eyes.size > 0) return;
    if (!before) this.seenSince = performance.now();
    this.look(this.eyes.size > 0);
  }

  /** Ask where an entity is. */
  locate(target) {
    this.located = { target };
    this.send({ kind: "find", page: this.page, target });
    this.tell();
  }

  hearPlace(content) {
    if (content.page !== this.page || content.target !== this.located?.target) return;
    this.located = content;
    this.tell();
  }

  /** Ask for a page that tells all that is known, and keep it as a file when it comes. */
  report() {
    if (this.reporting) return;
    this.reporting = true;
    this.reportNote = "writing a report …";
    this.send({ kind: "report", page: this.page });
    this.tell();
  }

  hearReport({ page, error }, buffers) {
    if (page !== this.page || !this.reporting) return;
    this.reporting = false;
    this.reportNote = error ?? "";
    if (buffers.length) download(reportName(this.newest), buffers[0], "text/html");
    this.tell();
  }

  // --- moments

  get shown() {
    return this.past ?? this.newest;
  }

  get times() {
    return this.known.times;
  }

  /** Where the slider stands: at what the reader wants, also while that is fetched. */
  get place() {
    return this.known.placeOf(this.wanted ?? this.shown.time);
  }

  add(state) {
    this.newest = state;
    this.known.keep(state, [this.past]);
  }

  /** When a moment ended: with the next one, or it has not. */
  endOf(state) {
    return this.times[this.known.placeOf(state.time) + 1] ?? (state.status.connection === "live" ? Date.now() : state.time);
  }

  goTo(place) {
    this.show(this.times[Math.max(0, Math.min(place, this.times.length - 1))]);
  }

  /** Show the moment of an event. */
  goToTime(time) {
    this.show(this.known.has(time) ? time : this.times[this.known.placeOf(time)], time);
  }

  show(time, meant = time) {
    this.meant = meant;
    const state = this.known.state(time);
    if (state) this.arrive(state);
    else this.want(time);
    this.tell();
  }

  arrive(state) {
    this.past = state;
    this.wanted = null;
    this.note = state.time === this.meant ? "" : farOff(this.meant, state.time);
  }

  goLive() {
    this.past = this.wanted = null;
    this.note = "";
    this.tell();
  }

  /** One question at a time: whoever drags the slider gets the moment where he stops, and those on the way as they come. */
  want(time) {
    if (time === this.wanted) return;
    this.wanted = time;
    if (!this.asking) this.ask(time);
  }

  ask(time) {
    this.asking = time === null ? null : { time, at: performance.now() };
    if (this.asking) this.send({ kind: "past", page: this.page, time });
  }

  fetched({ page, asked, oldest, moment }, buffers) {
    if (page !== this.page || this.asking?.time !== asked) return;
    this.asking = null;
    if (moment) {
      // Its numbers are its own, not those of what is sent live.
      const state = decodeFull({ ...moment, edition: `past ${asked}` }, buffers);
      this.known.keep(state, [this.past, this.newest]);
      this.known.forgetBefore(oldest);
      if (this.wanted === asked) this.arrive(state);
    } else if (this.wanted === asked) {
      this.wanted = null;
      this.note = "the kernel remembers nothing any more";
    }
    if (this.wanted !== null) this.ask(this.wanted);
    this.tell();
  }

  tell() {
    for (const listener of this.listeners) listener();
  }
}

/** A name for the file of a report, whatever the cluster is called. */
export function reportName({ status, time }) {
  const plain = status.name.replace(/[^A-Za-z0-9_-]+/g, "-").slice(0, 60);
  return `casty-${plain}-${new Date(time).toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-")}.html`;
}

/** That a moment is not the one that was meant, and how far they are apart. */
export function farOff(meant, shown) {
  const seconds = Math.abs(shown - meant) / 1000;
  const apart = seconds < 120 ? `${seconds.toFixed(1)} s` : ageOf(seconds);
  return `${clock(meant, true)} is not remembered: this is ${apart} ${shown > meant ? "later" : "earlier"}, the next moment that is`;
}
