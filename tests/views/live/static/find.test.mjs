import assert from "node:assert/strict";
import { test } from "node:test";
import { find, foundCells, isTarget } from "../modules/find.js";

const node = (name, address) => ({ name, address, status: "up", health: "good", words: "reachable" });
const type = (name, ids) => [name, { name, ids: Int32Array.from(ids), codes: Uint8Array.from(ids, (id) => id % 2) }];
const state = {
  nodes: [node("node-1", "10.0.1.1:25520"), node("node-2", "10.0.1.2:25520"), null],
  placements: [
    [0, 1],
    [1, 0],
  ],
  types: new Map([type("cart", [0, 1, 2, 17]), type("user", [17, 18])]),
  services: [],
  status: { leads: true, words: ["shard", "shards", "service", "services"] },
};

test("a number is that shard of every type that has it", () => {
  const found = find(state, " 17 ");
  assert.deepEqual([...found.cells], ["cart/17", "user/17"]);
  assert.deepEqual(found.lanes, [1, 1]);
  assert.match(found.words, /^cart shard 17 on node-2 \(10\.0\.1\.2:25520\), reachable · user shard 17/);
});

test("a number with a type is that one", () => {
  for (const text of ["user 17", "user#17", "user  17"]) assert.deepEqual([...find(state, text).cells], ["user/17"]);
  assert.equal(find(state, "other 17").cells.size, 0);
});

test("a word is a node by its name or its address", () => {
  assert.deepEqual([...find(state, "NODE-2").nodes], [1]);
  assert.deepEqual([...find(state, "10.0.1.").nodes], [0, 1]);
  assert.equal(find(state, "node").words, "node-1, node-2");
});

test("an entity is for the kernel to find", () => {
  assert.ok(isTarget("counter/user-42"));
  assert.ok(isTarget("shop.actors:counter/a b"));
  assert.ok(!isTarget("node-1"));
  assert.equal(find(state, "cart/a").words, "Enter asks the kernel for its shard");
});

test("nothing is found of nothing, and what is not there is said", () => {
  assert.equal(find(state, "  ").words, "");
  assert.equal(find(state, "elsewhere").words, "nothing here is called elsewhere");
  assert.equal(find(state, "99").words, "nothing here is called 99");
});

test("a shard without an owner is said to have none", () => {
  const found = foundCells(state, [["cart", 5]], "cart/x is in ");
  assert.equal(found.words, "cart/x is in cart shard 5 has no owner that is listed");
  assert.deepEqual(found.lanes, []);
});

test("a slice of a ring is called so", () => {
  const ring = {
    ...state,
    types: new Map([type("ring", [4])]),
    status: { leads: false, words: ["ring slice", "ring slices", "type", "types"] },
  };
  assert.match(find(ring, "4").words, /^ring slice 4 on node-1/);
});
