import assert from "node:assert/strict";
import { test } from "node:test";
import { BAD_NEWS, eventRows, runsOf, togetherOf, toneOf, troublesOf } from "../modules/events.js";

const KINDS = {
  lost: ["connection from here is lost", "here", "bad", [], "reached_again"],
  reached_again: ["connection from here is back", "here", "good", [], ""],
  member_status: ["status changed", "cluster", "", ["down", "removed"], ""],
  shards_allocated: ["shards allocated", "cluster", "", [], ""],
  service_gone: ["service instance gone", "cluster", "bad", [], ""],
};
const event = (time, kind, subject = "node-1", before = "", after = "") => [time, kind, subject, before, after];
const allocated = (time, count, node) => event(time, "shards_allocated", "cart", "", `${count} shards on ${node}`);

const table = (rows, up = false) =>
  Array.from(rows.order({ key: "time", up }, ""), (at) =>
    ["kind", "subject", "after"].map((column) => rows.text(at, column)).join("|"),
  );

test("the tone is that of the kind, or of what it has become", () => {
  assert.equal(toneOf(KINDS, event(1, "lost")), "bad");
  assert.equal(toneOf(KINDS, event(1, "member_status", "node-1", "up", "down")), "bad");
  assert.equal(toneOf(KINDS, event(1, "member_status", "node-1", "down", "up")), "");
  assert.equal(toneOf(KINDS, event(1, "of another release")), "");
});

test("neighbours of one kind are a run, unless they are few or far apart", () => {
  const many = [1, 2, 3].map((time) => allocated(time, 1, "node-1"));
  assert.deepEqual(
    runsOf(many).map((run) => run.length),
    [3],
  );
  assert.deepEqual(
    runsOf(many.slice(1)).map((run) => run.length),
    [1, 1],
  );
  assert.deepEqual(
    runsOf([...many.slice(1), allocated(9000, 1, "node-1")]).map((run) => run.length),
    [1, 1, 1],
  );
  assert.deepEqual(
    runsOf([...many, event(4, "lost")]).map((run) => run.length),
    [3, 1],
  );
});

test("what a run comes to is counted by what is on which node", () => {
  assert.equal(togetherOf(["40 shards on node-1", "1 shard on node-2 (7)", "1,000 shards on node-2"]), "1,041 shards on 2 nodes");
  assert.equal(togetherOf(["1 ring slice on node-1 (3)", "2 ring slices on node-1 (4, 5)"]), "3 ring slices on node-1");
  assert.equal(togetherOf(["", ""]), "");
  assert.equal(togetherOf(["up", "up"]), "up");
  assert.equal(togetherOf(["up", "down"]), "2 of them");
});

test("a run is one row that leads its own events once it is unfolded, whichever way they are sorted", () => {
  const events = [
    event(0, "lost"),
    allocated(1, 40, "node-1"),
    allocated(2, 2, "node-2"),
    allocated(3, 1, "node-3"),
    event(5, "service_gone", "pay"),
  ];
  assert.deepEqual(table(eventRows(events, { kinds: KINDS })), [
    "✕ service instance gone|pay|",
    "▸ shards allocated|cart|43 shards on 3 nodes",
    "✕ connection from here is lost|node-1|",
  ]);
  const open = new Set(["run 101"]);
  const rows = eventRows(events, { kinds: KINDS, first: 100, open });
  const unfolded = ["▾ shards allocated|cart|43 shards on 3 nodes", "   shards allocated|cart|40 shards on node-1"];
  assert.deepEqual(table(rows, true).slice(1, 3), unfolded);
  assert.equal(table(rows)[1], unfolded[0]);
  assert.equal(table(rows)[4], unfolded[1]);
  assert.equal(rows.key(1), "run 101");
  assert.equal(rows.key(2), "101");
});

test("only bad news, one kind, or all without folds", () => {
  const events = [event(0, "lost"), event(1, "reached_again"), ...[2, 3, 4].map((time) => allocated(time, 1, "node-1"))];
  assert.equal(eventRows(events, { kinds: KINDS, kind: BAD_NEWS }).length, 1);
  assert.equal(eventRows(events, { kinds: KINDS, kind: "shards_allocated" }).length, 1);
  assert.equal(eventRows(events, { kinds: KINDS, flat: true }).length, 5);
});

test("trouble lasts from what began it to what ended it, and what has no end was at one time", () => {
  const events = [
    event(1, "lost"), event(2, "lost"), event(3, "lost", "node-2"), event(4, "service_gone", "pay"), event(5, "reached_again"),
    event(6, "member_status", "node-3", "up", "down"), event(7, "member_status", "node-3", "down", "up"), event(8, "lost"),
  ]; // prettier-ignore
  assert.deepEqual(troublesOf(events, KINDS), [
    [1, 5],
    [3, Infinity],
    [4, 4],
    [6, 7],
    [8, Infinity],
  ]);
});

test("an end without a beginning is no trouble", () => {
  assert.deepEqual(troublesOf([event(1, "reached_again")], KINDS), []);
});

test("whose word it is, is the name that is known, and else the kind's", () => {
  const rows = eventRows(
    [
      [1, "member_status", "node-3", "up", "down", "node-1"],
      [2, "lost", "node-3", "", "", ""],
    ],
    { kinds: KINDS },
  );
  const told = (at) => ["by", "subject", "kind"].map((column) => rows.text(at, column)).join("|");
  assert.deepEqual([told(0), told(1)], ["node-1|node-3|✕ status changed to down", "here|node-3|✕ connection from here is lost"]);
});
