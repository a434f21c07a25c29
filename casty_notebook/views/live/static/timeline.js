// The timeline: events as they happen, and the bar that takes all tabs to an earlier moment and back.

import { BAD_NEWS, DATED_COLUMNS, EVENT_COLUMNS, eventRows, troublesOf } from "./events.js";
import { Grid } from "./grid.js";
import { clock, digits, make, many, say } from "./look.js";

const STEP = 350; // ms for which a moment is shown while they are played

export class Timeline {
  constructor(moments) {
    this.moments = moments;
    this.open = new Set(); // runs of events that are unfolded
    this.kind = make("select", { "aria-label": "Kind of event", change: () => this.update() });
    this.grid = new Grid("events", EVENT_COLUMNS, {
      sort: "time",
      onPick: (key) => this.goTo(key),
      onFilter: () => this.update(),
    });
    this.grid.sort.up = false;
    this.hint = make("span", { class: "ct-hint" }, "click an event for its moment");
    this.grid.tools.prepend(this.kind);
    this.grid.tools.insertBefore(this.hint, this.grid.clear);
    this.element = this.grid.element;
  }

  /** The moment of an event; a run of them unfolds. */
  goTo(key) {
    if (key.startsWith("run")) {
      if (!this.open.delete(key)) this.open.add(key);
      this.grid.chosen.delete(key);
      this.update();
    } else {
      const event = this.moments.events[Number(key) - this.moments.untold];
      if (event) this.moments.goToTime(event[0]);
    }
  }

  /** In the past the list stands still, so that nothing moves under the reader's eyes; what is new is counted. */
  update() {
    const { events, kinds, past, untold } = this.moments;
    this.frozen = past ? (this.frozen ?? untold + events.length) : null;
    const shown = past ? events.slice(0, Math.max(0, this.frozen - untold)) : events;
    const more = events.length - shown.length;
    const older = untold ? `${many(untold, "older event")} in the events table · ` : "";
    say(this.hint, older + (more ? `${many(more, "new event")} since you stopped` : "click an event for its moment"));
    this.offer([...new Set(events.map((event) => event[1]))]);
    this.grid.setColumns(shown.length && digits(shown[0][0]).includes(" ") ? DATED_COLUMNS : EVENT_COLUMNS);
    this.grid.update(
      eventRows(shown, { kinds, first: untold, kind: this.kind.value, open: this.open, flat: this.grid.filter !== "" }),
    );
  }

  /** Have what there is to choose from. */
  offer(found) {
    const { kinds } = this.moments;
    const offered = found.map((kind) => [kind, kinds[kind]?.[0] ?? kind]).sort(([, a], [, b]) => (a < b ? -1 : 1));
    if (offered.join() === this.offered) return;
    this.offered = offered.join();
    const chosen = this.kind.value;
    const all = [["", "all events"], [BAD_NEWS, BAD_NEWS], ...offered];
    this.kind.replaceChildren(...all.map(([kind, words]) => make("option", { value: kind }, words)));
    this.kind.value = all.some(([kind]) => kind === chosen) ? chosen : "";
  }
}

/** Pause, play, slider and "live": under every tab, since all of them show the same moment. */
export class TimeBar {
  constructor(moments) {
    this.moments = moments;
    this.pause = make("button", { type: "button", class: "ct-button", click: () => this.toggle() });
    this.slider = make("input", { type: "range", min: 0, step: 1, "aria-label": "Moment", input: () => this.slide() });
    this.time = make("span", { class: "ct-time" });
    this.playing = null;
    this.play = make("button", { type: "button", class: "ct-button", click: () => (this.playing ? this.stop() : this.start()) });
    this.marks = make("canvas", { class: "ct-marks", title: "red: there was trouble", "aria-hidden": "true" });
    this.element = make(
      "div",
      { class: "ct-bar" },
      this.pause,
      this.play,
      make("div", { class: "ct-slide" }, this.marks, this.slider),
      this.time,
    );
  }

  toggle() {
    this.stop();
    if (this.moments.past ?? this.moments.wanted) this.moments.goLive();
    else this.moments.goTo(this.moments.place);
  }

  slide() {
    this.stop();
    this.moments.goTo(Number(this.slider.value));
  }

  /** One moment after another, from the one that is shown, or from the first; each waits for the one before to be there. */
  start() {
    this.moments.goTo(this.moments.past ? this.moments.place : 0);
    this.playing = setInterval(() => this.step(), STEP);
    this.update();
  }

  step() {
    if (this.moments.wanted !== null) return;
    if (this.moments.past && this.moments.place < this.moments.times.length - 1)
      return void this.moments.goTo(this.moments.place + 1);
    this.stop();
    this.moments.goLive();
  }

  stop() {
    clearInterval(this.playing);
    this.playing = null;
  }

  /** Where there was trouble, as far as events tell. */
  mark() {
    const { events, kinds, known, times, untold } = this.moments;
    const width = this.slider.clientWidth;
    const dark = getComputedStyle(this.element).getPropertyValue("--ct-bad");
    const key = [width, times.length, times[0], untold + events.length, dark].join();
    if (!width || this.marked === key) return;
    this.marked = key;
    this.marks.width = width;
    this.marks.height = 4;
    const pen = this.marks.getContext("2d");
    pen.fillStyle = dark;
    const at = (place) => 8 + (place / Math.max(1, times.length - 1)) * (width - 16); // half a thumb is at either end
    for (const [from, to] of troublesOf(events, kinds)) {
      if (to < times[0]) continue;
      const start = at(known.placeOf(from));
      pen.fillRect(start - 1, 0, Math.max(3, at(known.placeOf(to)) - start + 2), 4);
    }
  }

  update() {
    const { times, place, shown, newest } = this.moments;
    const past = Boolean(this.moments.past ?? this.moments.wanted);
    this.slider.max = Math.max(0, times.length - 1);
    this.slider.value = place;
    this.slider.disabled = times.length < 2;
    this.slider.setAttribute("aria-valuetext", `${clock(this.moments.wanted ?? shown.time)}${past ? "" : ", live"}`);
    const end = newest.status.connection === "recorded" ? "end" : "live";
    say(this.pause, past ? `▶ ${end}` : "❚❚ pause");
    this.pause.setAttribute("aria-pressed", String(past));
    this.pause.title = past
      ? "Back to the newest moment"
      : "Stay at this moment; what comes meanwhile is remembered, and can be gone back to";
    say(
      this.time,
      past ? `${clock(times[place], true)} · ${place + 1} of ${times.length}` : `${end} · ${many(times.length, "moment")}`,
    );
    say(this.play, this.playing ? "■ stop" : "▷ play");
    this.play.title = this.playing ? "Stay at this moment" : "Show one moment after another";
    this.play.disabled = times.length < 2;
    this.mark();
    this.time.title = `${many(times.length, "moment")} since ${clock(times[0])}`;
  }
}
