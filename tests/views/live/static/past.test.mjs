import assert from "node:assert/strict";
import { test } from "node:test";
import { Past, timesFrom } from "../modules/past.js";

const state = (time, bytes = 10) => ({ time, bytes });

test("times are told as steps", () => {
  assert.deepEqual(timesFrom([1000, 5, 0, 20]), [1000, 1005, 1005, 1025]);
  assert.deepEqual(timesFrom([]), []);
});

test("moments are in order and each is there once, whoever told of them", () => {
  const past = new Past();
  past.keep(state(30));
  past.learn([10, 20, 30]);
  past.learn([40]);
  past.learn([20, 40]);
  assert.deepEqual(past.times, [10, 20, 30, 40]);
  assert.ok(past.has(20));
  assert.ok(!past.has(25));
});

test("a place is found for any time", () => {
  const past = new Past();
  past.learn([10, 20, 30]);
  assert.deepEqual(
    [5, 10, 11, 30, 99].map((time) => past.placeOf(time)),
    [0, 0, 1, 2, 2],
  );
});

test("of one moment the latest state is kept", () => {
  const past = new Past();
  past.keep(state(10, 7));
  const later = state(10, 9);
  past.keep(later);
  assert.equal(past.state(10), later);
  assert.equal(past.bytes, 9);
});

test("what was not looked at for longest goes, but not what is pinned, and its time stays", () => {
  const past = new Past({ mostBytes: 35 });
  const pinned = state(1);
  past.keep(pinned);
  for (const time of [2, 3]) past.keep(state(time));
  past.state(2);
  past.keep(state(4), [pinned]);
  assert.deepEqual(
    [1, 2, 3, 4].map((time) => past.state(time) !== null),
    [true, true, false, true],
  );
  assert.deepEqual(past.times, [1, 2, 3, 4]);
  assert.equal(past.bytes, 30);
});

test("one state that is too large by itself is kept all the same", () => {
  const past = new Past({ mostBytes: 5 });
  past.keep(state(1, 100));
  assert.ok(past.state(1));
});

test("what neither the kernel nor this page has is forgotten", () => {
  const past = new Past();
  past.learn([1, 2, 3, 4]);
  past.keep(state(1));
  past.forgetBefore(3);
  assert.deepEqual(past.times, [1, 3, 4]);
});

test("times are bounded, the oldest go", () => {
  const past = new Past({ mostTimes: 3 });
  past.learn([1, 2, 3, 4, 5]);
  past.learn([6]);
  assert.deepEqual(past.times, [4, 5, 6]);
});
