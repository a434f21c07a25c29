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
