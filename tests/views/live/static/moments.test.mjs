import assert from "node:assert/strict";
import { test } from "node:test";
import { farOff, Moments } from "../modules/moments.js";

const { performance } = globalThis;
globalThis.window = { addEventListener() {}, removeEventListener() {} };

const full = (sequence, time) => ({
  kind: "full", edition: 1, sequence, time, age: 0.1, status: { connection: "live", name: "shop" }, epoch: 1, nodes: [], placements: [],
  types: [], services: [], looks: [], kinds: {}, untold: 0, problems: [0, []], events: { rows: [], texts: [] },
}); // prettier-ignore
const past = (moments, asked, time = asked) => ({ kind: "past", page: moments.page, asked, oldest: 1000, moment: full(0, time) });

/** A page's moments on a kernel that the test plays; `act` is given both. */
function played(act) {
  const model = {
    sent: [],
    get: (name) => (name === "key" ? "k" : { head: full(1, 5000), buffers: [] }),
    on: (_, listener) => (model.tell = listener),
    off() {},
    send: (content) => model.sent.push(content),
  };
  const moments = new Moments(model);
  const asked = () => model.sent.filter(({ kind }) => kind === "past").map(({ time }) => time);
  try {
    moments.known.learn([1000, 2000, 3000, 4000]);
    act(moments, model, asked);
  } finally {
    moments.close();
  }
}

test("a moment that this page has not got is asked for, and shown when it comes", () =>
  played((moments, model, asked) => {
    moments.goTo(1);
    assert.deepEqual(asked(), [2000]);
    assert.equal(moments.shown.time, 5000, "another moment was shown meanwhile");
    assert.equal(moments.place, 1);
    model.tell(past(moments, 2000));
    assert.equal(moments.shown.time, 2000);
    moments.goTo(4);
    moments.goTo(1);
    assert.deepEqual(asked(), [2000], "it was kept");
  }));

test("one question at a time, and after it the newest wish", () =>
  played((moments, model, asked) => {
    for (const place of [0, 1, 2, 3]) moments.goTo(place);
    assert.deepEqual(asked(), [1000]);
    model.tell(past(moments, 1000));
    assert.deepEqual(asked(), [1000, 4000]);
    model.tell(past(moments, 4000));
    assert.equal(moments.shown.time, 4000);
  }));

test("who went back to the present is not taken to the past by a late answer", () =>
  played((moments, model) => {
    moments.goTo(0);
    moments.goLive();
    model.tell(past(moments, 1000));
    assert.equal(moments.past, null);
  }));

test("a question that got lost is asked again once the kernel has answered a later one", () =>
  played((moments, model, asked) => {
    moments.goTo(0);
    moments.lookedAt = performance.now() + 1;
    model.tell({ kind: "here", page: moments.page, age: 0.1, edition: 1, sequence: 1 });
    assert.deepEqual(asked(), [1000, 1000]);
  }));

test("answers to other pages, and to what was not asked, change nothing", () =>
  played((moments, model) => {
    moments.goTo(0);
    model.tell({ ...past(moments, 1000), page: "another" });
    model.tell(past(moments, 3000));
    assert.equal(moments.past, null);
    assert.equal(moments.wanted, 1000);
  }));

test("an event between two moments is shown by the next one, which says how far off it is", () =>
  played((moments, model) => {
    moments.goToTime(2500);
    model.tell(past(moments, 3000));
    assert.equal(moments.note, farOff(2500, 3000));
    assert.match(moments.note, /is not remembered: this is 0\.5 s later/);
    moments.goToTime(3000);
    assert.equal(moments.note, "");
  }));

test("what the kernel has forgotten is no place on the slider any more", () =>
  played((moments, model) => {
    moments.goTo(0);
    model.tell({ ...past(moments, 1000, 3000), oldest: 3000 });
    assert.deepEqual(moments.times, [3000, 4000, 5000]);
    assert.equal(moments.shown.time, 3000);
    assert.match(moments.note, /is not remembered: this is 2\.0 s later/);
  }));

test("moments between two updates are known of", () =>
  played((moments, model) => {
    const delta = {
      kind: "delta",
      edition: 1,
      sequence: 2,
      time: 6000,
      age: 0.1,
      between: [5200, 300],
      events: { rows: [], texts: [] },
    };
    model.tell(delta, []);
    assert.deepEqual(moments.times.slice(-4), [5000, 5200, 5500, 6000]);
  }));

test("a kernel that is gone is no error of the page", () =>
  played((moments, model) => {
    model.send = () => {
      throw new Error("the comm is closed");
    };
    moments.goTo(0);
    moments.look(true);
  }));

test("events are put together from their texts, and from what two of them end in", () =>
  played((moments, model) => {
    const texts = ["shards_moved", "cart", "1 shard on node-1", "1 shard on node-2", " (7)", "lost", "node-3", ""];
    const rows = [
      [10, 0, 1, 2, 3, 4],
      [5, 0, 1, 7, 3, 4],
      [0, 5, 6, 7, 7],
    ];
    model.tell(
      {
        kind: "delta",
        edition: 1,
        sequence: 2,
        time: 6000,
        age: 0.1,
        events: {
          rows,
          texts,
          says: [
            ["node-1", 2],
            ["", 1],
          ],
        },
      },
      [],
    );
    assert.deepEqual(moments.events, [
      [5990, "shards_moved", "cart", "1 shard on node-1 (7)", "1 shard on node-2 (7)", "node-1"],
      [5995, "shards_moved", "cart", "", "1 shard on node-2 (7)", "node-1"],
      [6000, "lost", "node-3", "", "", ""],
    ]);
  }));
