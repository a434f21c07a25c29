// The timeline: events as they happen, and the bar that takes all tabs to an earlier moment and back.

import { Grid } from "./grid.js";
import { clock, make, many, say } from "./look.js";
import { EVENT_COLUMNS, eventRows } from "./rows.js";

export class Timeline {
  constructor(moments) {
    this.moments = moments;
    this.kind = make("select", { "aria-label": "Kind of event", change: () => this.update() }, make("option", { value: "" }, "all events"));
    this.grid = new Grid("events", EVENT_COLUMNS, { sort: "time", onPick: (key) => this.goTo(key) });
    this.grid.sort.up = false;
    this.hint = make("span", { class: "ct-hint" }, "click an event for its moment");
    this.grid.tools.prepend(this.kind);
    this.grid.tools.insertBefore(this.hint, this.grid.clear);
    this.element = this.grid.element;
  }

  goTo(key) {
    const event = this.moments.events[Number(key)];
    if (event) this.moments.goToTime(event[0]);
  }

  /** In the past the list stands still, so that nothing moves under the reader's eyes; what is new is counted. */
  update() {
    const { events, past } = this.moments;
    this.frozen = past ? (this.frozen ?? events.length) : null;
    const shown = past ? events.slice(0, this.frozen) : events;
    const more = events.length - shown.length;
    const older = this.moments.untold ? `${many(this.moments.untold, "older event")} in the events table · ` : "";
    say(this.hint, older + (more ? `${many(more, "new event")} since you stopped` : "click an event for its moment"));
    const kinds = [...new Set(events.map((event) => event[1].replaceAll("_", " ")))].sort();
    if (kinds.join() !== this.kinds) {
      this.kinds = kinds.join();
      const chosen = this.kind.value;
      this.kind.replaceChildren(make("option", { value: "" }, "all events"), ...kinds.map((kind) => make("option", { value: kind }, kind)));
      this.kind.value = kinds.includes(chosen) ? chosen : "";
    }
    this.grid.update(eventRows(shown, this.kind.value));
  }
}

/** Pause, slider and "live": under every tab, since all of them show the same moment. */
export class TimeBar {
  constructor(moments) {
    this.moments = moments;
    this.pause = make("button", { type: "button", class: "ct-button", click: () => this.toggle() });
    this.slider = make("input", { type: "range", min: 0, step: 1, "aria-label": "Moment", input: () => this.slide() });
    this.time = make("span", { class: "ct-time" });
    this.element = make("div", { class: "ct-bar" }, this.pause, this.slider, this.time);
  }

  toggle() {
    if (this.moments.past ?? this.moments.wanted) this.moments.goLive();
    else this.moments.goTo(this.moments.place);
  }

  slide() {
    this.moments.goTo(Number(this.slider.value));
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
    this.pause.title = past ? "Back to the newest moment" : "Stay at this moment; what comes meanwhile is remembered, and can be gone back to";
    say(this.time, past ? `${clock(times[place], true)} · ${place + 1} of ${times.length}` : `${end} · ${many(times.length, "moment")}`);
    this.time.title = `${many(times.length, "moment")} since ${clock(times[0])}`;
  }
}
