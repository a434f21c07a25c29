import assert from "node:assert/strict";
import { test } from "node:test";
import { applyDelta, decodeFull, shardAt } from "../modules/state.js";

const row = (name) => [`${name}:1`, name, "up", "", false, false, true, "", 0.4, "good", "reachable", ""];
const whole = {
  kind: "full", edition: 1, sequence: 1, time: 1000, status: { connection: "live" }, epoch: 7, nodes: [row("a"), row("b")],
  placements: [[0, 1], [1, 0]], types: [{ name: "cart", total: null, odd: 0, ownerless: 0, whole: true, count: 3, first: 4, width: 1 }],
  services: [["pay", 0, "/pay"]], looks: [["cart", "C", "#123456"]],
}; // prettier-ignore
const bytes = (...numbers) => new DataView(Uint8Array.from(numbers).buffer);
const first = () => decodeFull(whole, [bytes(0, 1, 0)]);

test("a full state has problems only where somebody has looked", () => {
  assert.equal(first().problems, null);
  assert.deepEqual(decodeFull({ ...whole, problems: [0, []] }, [bytes(0, 1, 0)]).problems, [0, []]);
});

test("what a delta does not speak of stays, problems too", () => {
  const looked = decodeFull({ ...whole, problems: [1, [["bad"]]] }, [bytes(0, 1, 0)]);
  const later = applyDelta(looked, { kind: "delta", edition: 1, sequence: 2, time: 2000 }, []);
  assert.deepEqual(later.problems, [1, [["bad"]]]);
  assert.equal(later.nodes, looked.nodes);
  assert.equal(later.time, 2000);
  assert.deepEqual(applyDelta(later, { kind: "delta", edition: 1, sequence: 3, time: 3000, problems: [0, []] }, []).problems, [
    0,
    [],
  ]);
});

test("a shard that moved is noted with its owner before", () => {
  const moved = { name: "cart", total: null, odd: 0, ownerless: 0, count: 1, width: 1 };
  const later = applyDelta(first(), { kind: "delta", edition: 1, sequence: 2, time: 2000, types: [moved] }, [
    bytes(4, 0, 0, 0),
    bytes(1),
  ]);
  assert.equal(shardAt(later, "cart", 4).owner.name, "b");
  assert.deepEqual([...later.moved.get("cart")], [[4, 0]]);
  assert.equal(shardAt(first(), "cart", 4).owner.name, "a");
});

const activity = { hint: "", looks: [["cart", "C", "#123456"], ["pay", "P", "#654321"]], per: 5, deep: 10, rows: [[0, [0, 24, 2, 1, 1, 3, 0, 0]], [1, []]] }; // prettier-ignore

test("active keys are read by node and type, and none are known where nothing is said of them", () => {
  const { rows, per, looks } = decodeFull({ ...whole, activity }, [bytes(0, 1, 0)]).activity;
  assert.deepEqual(rows.get(0)[1], { type: 1, active: 3, queued: 0, deepest: 0 });
  assert.deepEqual(rows.get(1), []);
  assert.deepEqual([per, looks[1].letter], [5, "P"]);
  assert.equal(first().activity.rows.size, 0);
});

test("a change of active keys names the types that differ, and nodes that say nothing more", () => {
  const told = decodeFull({ ...whole, activity }, [bytes(0, 1, 0)]);
  const change = { per: 10, changed: [[0, [0, 30, 0, 0, 1, 0, 0, 0]], [1, null]] }; // prettier-ignore
  const later = applyDelta(told, { kind: "delta", edition: 1, sequence: 2, time: 2000, activity: change }, []);
  assert.deepEqual(later.activity.rows, new Map([[0, [{ type: 0, active: 30, queued: 0, deepest: 0 }]]]));
  assert.equal(later.activity.per, 10);
  assert.equal(told.activity.rows.get(0)[0].active, 24, "states are never changed");
  const silent = applyDelta(later, { kind: "delta", edition: 1, sequence: 3, time: 3000 }, []);
  assert.equal(silent.activity, later.activity);
  const gone = { hint: "copy the file", looks: [], per: 1, deep: 10, rows: [] };
  assert.equal(applyDelta(later, { kind: "delta", edition: 1, sequence: 3, time: 3000, activity: gone }, []).activity.hint, "copy the file"); // prettier-ignore
});
