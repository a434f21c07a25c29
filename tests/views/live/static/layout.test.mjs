import assert from "node:assert/strict";
import { test } from "node:test";
import { activeWords, activityAt, cellAt, cellOf, cellSize, cornerOf, lanesOf, layoutOf, letterOf } from "../modules/layout.js";

const node = (number, health = "good", words = "reachable") => ({
  name: `node-${number}`,
  address: `10.0.1.${number}:25520`,
  status: "up",
  health,
  words,
});

/** A cluster of some nodes, and types with some shards, spread over them. */
function cluster(nodes, types) {
  const placements = nodes.map((_, number) => [number, (number + 1) % nodes.length]);
  const made = Object.entries(types).map(([name, count]) => [
    name, { name, ids: Int32Array.from({ length: count }, (_, id) => id), codes: Uint16Array.from({ length: count }, (_, id) => id % nodes.length) },
  ]); // prettier-ignore
  return {
    nodes,
    placements,
    types: new Map(made),
    services: [],
    status: { leads: true, words: ["shard", "shards", "service", "services"] },
  };
}

const three = [node(1), node(2, "bad", "not reachable"), node(10, "open", "not known yet")];

test("lanes are in natural order, the troubled first, or only those", () => {
  const state = cluster([three[2], three[1], three[0]], {});
  const names = (order) => lanesOf(state, order).map((number) => state.nodes[number].name);
  assert.deepEqual(names("name"), ["node-1", "node-2", "node-10"]);
  assert.deepEqual(names("trouble"), ["node-2", "node-10", "node-1"]);
  assert.deepEqual(names("only"), ["node-2", "node-10"]);
});

test("nodes that are gone have no lane", () => {
  assert.deepEqual(lanesOf({ ...cluster(three, {}), nodes: [null, ...three.slice(1)] }), [1, 2]);
});

test("many lanes are compact unless somebody wants them otherwise", () => {
  const state = cluster(
    Array.from({ length: 50 }, (_, number) => node(number)),
    {},
  );
  assert.ok(layoutOf(state, 900).compact);
  assert.ok(!layoutOf(state, 900, { compact: false }).compact);
  assert.ok(layoutOf(state, 900).height < layoutOf(state, 900, { compact: false }).height / 1.8);
  assert.ok(!layoutOf(cluster(three, {}), 900).compact);
});

test("a lane is as high as what is wrong with its node needs", () => {
  const words = "reachable, but members differ: 12 alive, 3 suspect, 2 dead";
  for (const compact of [false, true]) {
    const [calm, troubled] = layoutOf(cluster([node(1), node(2, "open", words)], {}), 600, { compact }).lanes;
    assert.ok(troubled.height - calm.height >= 16 * Math.ceil(words.length / 28));
  }
});

test("all cells are seen at once in a narrow page, as long as they can be told apart", () => {
  const heightOf = (count, width) => {
    const [cell, gap] = cellSize(count, 0, width);
    return Math.ceil(count / Math.floor(width / (cell + gap))) * (cell + gap);
  };
  assert.deepEqual(cellSize(1024, 0, 1360), [11, 2]);
  assert.deepEqual(cellSize(1024, 0, 353), [8, 1]);
  assert.ok(heightOf(1024, 353) < 340);
  assert.deepEqual(cellSize(1024, 1, 353), [11, 2]);
  assert.deepEqual(cellSize(4000, 0, 353), [6, 1]);
  assert.deepEqual(cellSize(300, 0, 353), [14, 2]);
});

test("cells are larger or smaller by the zoom, within bounds", () => {
  assert.deepEqual(cellSize(100), [14, 2]);
  assert.deepEqual(cellSize(100, 2), [24, 3]);
  assert.deepEqual(cellSize(100, 99), [24, 3]);
  assert.deepEqual(cellSize(100_000), [4, 1]);
  assert.deepEqual(cellSize(100_000, -9), [4, 1]);
  assert.deepEqual(
    [450, 451, 1601, 7001, 16001].map((count) => cellSize(count)[0]),
    [14, 11, 8, 6, 4],
  );
});

test("no letter is over a cell or over another letter, at any width, size and number of types", () => {
  for (const zoom of [-4, -2, 0, 2]) {
    for (const width of [600, 700, 960]) {
      for (const counts of [
        [5, 3, 1],
        [300, 7, 2, 900],
        [41, 40, 39, 38, 37],
        [2000, 2000],
      ]) {
        const types = Object.fromEntries(counts.map((count, place) => [`type-${place}`, count]));
        const layout = layoutOf(cluster(three, types), width, { zoom, replicas: true });
        for (const lane of layout.lanes) checkLetters(layout, lane);
      }
    }
  }
});

function checkLetters(layout, lane) {
  const size = Math.max(10, Math.min(layout.cell, 12));
  const cells = lane.groups.flatMap((group) => Array.from(group.ids, (_, at) => cornerOf(layout, lane, group.first + at)));
  const letters = lane.groups.map((group) => letterOf(layout, lane, group));
  letters.forEach(([x, y], place) => {
    // Capitals are seven tenths of the font's size, in the middle of the row.
    const middle = y + Math.max(layout.cell, 8) / 2;
    const [top, bottom] = [middle - 0.35 * size, middle + 0.35 * size];
    for (const [left, above] of cells) {
      const apart = left >= x + 9 || left + layout.cell <= x || above >= bottom || above + layout.cell <= top;
      assert.ok(apart, `letter ${place} at ${x},${y} is over a cell at ${left},${above} of size ${layout.cell}`);
    }
    letters.forEach(([otherX, otherY], other) => {
      if (other > place)
        assert.ok(Math.abs(otherX - x) >= 9 || Math.abs(otherY - y) >= 0.7 * size, `letters ${place} and ${other}`);
    });
  });
}

test("a point on a cell finds it, and a shard its cell", () => {
  const layout = layoutOf(cluster(three, { cart: 100, user: 50 }), 700);
  const { lane, group, at } = cellOf(layout, "user", 31);
  const [x, y] = cornerOf(layout, lane, group.first + at);
  const hit = cellAt(layout, x + 2, y + 2);
  assert.equal(hit.group.ids[hit.at], 31);
  assert.equal(hit.group.name, "user");
  assert.equal(cellAt(layout, 5, y), null);
});

/** Nodes that say what they are at: of each, four counts a type. */
function telling(rows, { per = 1, nodes = three } = {}) {
  const looks = [
    { name: "cart", letter: "C", colour: "#111" },
    { name: "order", letter: "O", colour: "#222" },
  ];
  const told = rows.map((counts) => counts.map(([type, active, queued, deepest]) => ({ type, active, queued, deepest })));
  return { ...cluster(nodes, { ring: 30 }), activity: { hint: "", looks, per, deep: 10, rows: new Map(told.entries()) } };
}

test("below its cells a lane has a dot for so many active keys each, their count, and what waits", () => {
  const layout = layoutOf(telling([[[0, 24, 2, 1], [1, 3, 340, 338]]], { per: 5 }), 900);
  const [cart, order] = layout.lanes[0].activity;
  assert.deepEqual([cart.dots, cart.count, cart.waits, cart.deep], [5, "24", "2 waiting", false]);
  assert.deepEqual([order.dots, order.count, order.waits, order.deep], [1, "3", "338 deep", true]);
  assert.equal(activeWords(layout.lanes[0]), "27 active keys · 342 waiting");
  assert.deepEqual(layout.lanes[1].activity, []);
  const silent = layoutOf(cluster(three, { ring: 30 }), 900);
  assert.ok(layout.lanes[0].height > silent.lanes[0].height);
  assert.equal(layout.lanes[1].height, silent.lanes[1].height);
}); // prettier-ignore

test("what does not fit beside goes below, in no lane but its own", () => {
  const many = Array.from({ length: 12 }, (_, place) => [place % 2, 1000, 20, 20]);
  const layout = layoutOf(telling([many, many, many]), 420);
  for (const lane of layout.lanes) {
    assert.equal(lane.activity.length, 12);
    for (const each of lane.activity) {
      assert.ok(each.x >= layout.left);
      assert.ok(layout.padding + each.y + 16 <= lane.height, "inside of its lane");
    }
    assert.ok(new Set(lane.activity.map(({ y }) => y)).size > 2);
  }
});

test("in a compact lane one dot shows the colour, and only a deep mailbox is said", () => {
  const [cart, order] = layoutOf(telling([[[0, 24, 2, 1], [1, 3, 340, 338]]]), 900, { compact: true }).lanes[0].activity;
  assert.deepEqual([cart.dots, cart.waits], [1, ""]);
  assert.deepEqual([order.dots, order.waits], [1, "338 deep"]);
}); // prettier-ignore

test("active keys are found where they are drawn", () => {
  const layout = layoutOf(telling([[[0, 24, 2, 1], [1, 3, 340, 338]]]), 900);
  const [lane] = layout.lanes;
  for (const each of lane.activity) {
    const found = activityAt(layout, each.x + 3, lane.top + layout.padding + each.y + 5);
    assert.equal(found, each);
    assert.equal(cellAt(layout, each.x + 3, lane.top + layout.padding + each.y + 5), null);
  }
  assert.equal(activityAt(layout, layout.left + 2, lane.top + layout.padding + 2), null);
}); // prettier-ignore

test("a type that nobody has told how to draw is left out", () => {
  assert.deepEqual(layoutOf(telling([[[7, 24, 2, 1]]]), 900).lanes[0].activity, []);
});
