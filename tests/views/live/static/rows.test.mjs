import assert from "node:assert/strict";
import { test } from "node:test";
import { columnsOf, memberRows, serviceRows, shapeOf, ShardRows } from "../modules/rows.js";

const SHARDED = { leads: true, by_type: true, words: ["shard", "shards", "service", "services"] };
const VIRTUAL = { leads: false, by_type: false, words: ["ring slice", "ring slices", "type", "types"] };
const node = (name, more = {}) => ({
  name,
  address: `${name}:1`,
  status: "up",
  health: "good",
  words: "reachable",
  roles: "",
  leader: false,
  opinions: "",
  ...more,
});

function cluster(status, nodes) {
  const cart = { name: "cart", ids: Int32Array.of(3, 4, 5), codes: Uint8Array.of(0, 1, 0) };
  return {
    status,
    nodes,
    placements: [[0, 1], [1]],
    types: new Map([["cart", cart]]),
    services: [["pay", 1, "/pay"]],
    activity: { rows: new Map() },
  };
}

const cells = (rows, column, sort = { key: "node", up: true }, filter = "") =>
  Array.from(rows.order(sort, filter), (at) => rows.text(at, column));

test("columns are titled in the cluster's words", () => {
  const titles = (status, table) => columnsOf(cluster(status, []))[table].map(({ title }) => title);
  assert.ok(titles(SHARDED, "Members").includes("leader"));
  assert.ok(!titles(VIRTUAL, "Members").includes("leader"));
  assert.ok(titles(VIRTUAL, "Members").includes("members say"));
  assert.equal(titles(SHARDED, "Shards").slice(0, 2).join(), "type,shard");
  assert.equal(titles(VIRTUAL, "Shards")[0], "ring slice"); // those of all types
  assert.equal(titles(VIRTUAL, "Services")[0], "type");
  assert.equal(titles(SHARDED, "Services")[0], "service");
});

test("a state is as wide as the longest there is, and changes nothing until that is another width", () => {
  const width = (...words) =>
    columnsOf(
      cluster(
        VIRTUAL,
        words.map((each, place) => node(`n${place}`, { words: each })),
      ),
    ).Members.find(({ key }) => key === "health").width;
  assert.equal(width("reachable"), 130);
  const long = "reachable, but members differ: 12 alive, 3 suspect, 1 dead, 100 leaving";
  assert.ok(width("reachable", long) >= 7 * long.length);
  const shape = (words) => shapeOf(cluster(VIRTUAL, [node("a", { words }), null]));
  assert.equal(shape("reachable"), shape("not known"));
  assert.notEqual(shape("reachable"), shape("reachable, but the cluster says not"));
});

test("what members are at has columns where any says it, empty for one that does not", () => {
  const state = cluster(VIRTUAL, [node("a"), node("b"), node("c")]);
  const types = [
    { type: 0, active: 2, queued: 9, deepest: 9 },
    { type: 1, active: 10, queued: 0, deepest: 0 },
  ];
  state.activity = { rows: new Map([[0, types], [2, []]]) }; // prettier-ignore
  const titles = columnsOf(state).Members.map(({ title }) => title);
  assert.deepEqual(titles.slice(3, 5), ["active", "queued"]);
  const rows = memberRows(state);
  assert.deepEqual(cells(rows, "active"), ["12", "", "0"]);
  assert.deepEqual(cells(rows, "queued"), ["9", "", "0"]);
  assert.deepEqual(cells(rows, "node", { key: "active", up: false }), ["a", "c", "b"]);
});

test("a member has its shards, services and what the others say of it", () => {
  const rows = memberRows(
    cluster(SHARDED, [node("b"), node("a", { opinions: "1 alive, 1 suspect", health: "bad", words: "not reachable" }), null]),
  );
  assert.deepEqual(cells(rows, "node"), ["a", "b"]);
  assert.deepEqual(cells(rows, "shards"), ["1", "2"]);
  assert.deepEqual(cells(rows, "services"), ["1", "0"]);
  assert.deepEqual(cells(rows, "opinions"), ["1 alive, 1 suspect", "the same"]);
  assert.deepEqual(cells(rows, "health"), ["✕ not reachable", "● reachable"]);
});

test("rows of shards are made of types and placements, sorted by numbers, filtered by all words", () => {
  const state = cluster(SHARDED, [node("b"), node("a")]);
  const rows = new ShardRows(state);
  assert.deepEqual(cells(rows, "shard", { key: "shard", up: false }), ["5", "4", "3"]);
  assert.deepEqual(cells(rows, "shard", { key: "node", up: true }), ["4", "3", "5"]);
  assert.deepEqual(cells(rows, "shard", { key: "shard", up: true }, "cart b:1"), ["3", "5"]);
  assert.deepEqual(cells(serviceRows(state), "path", { key: "service", up: true }), ["/pay"]);
});
