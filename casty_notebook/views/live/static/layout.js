// Where everything on the map goes: a lane for each node, in it the shards by type, each group led by its type's letter.

import { inOrder, many } from "./look.js";

export const LABELS = 208;
const GUTTER = 16; // for the letters of groups that begin a row, so that no cell is ever under one
const PADDING = 7;
const NO_OWNER = -1;
const SIZES = [[4, 1], [6, 1], [8, 1], [11, 2], [14, 2], [18, 2], [24, 3]]; // prettier-ignore
const MOST_CELLS = [Infinity, 16000, 7000, 1600, 450]; // for which a size still is a good one
const MOST_HEIGHT = 330; // of all cells together, in px: more has to be scrolled
const LEAST = 1; // size below which cells are not made for that
const MANY_LANES = 24; // beyond which lanes are compact unless somebody says otherwise
export const DOTS_AFTER = 15; // the letter
export const DOT = 8; // from one dot of active keys to the next
const DOTS_ROW = 17; // height of a row of them
const WIDTHS = { count: 7.1, waiting: 5.9, deep: 7.4 }; // of a sign beside them, about
const LETTERS = 26; // of a state that surely fit in one line of a label

export const ORDERS = { name: "by name", trouble: "troubled first", only: "troubled only" };

/**
 * Side of a cell and the gap after it, by how many there are: a few are read one by one, thousands as an area, which is to be
 * seen whole as long as its cells can be told apart in it: in a narrow page they are smaller.
 */
export function cellSize(count, zoom = 0, width = Infinity) {
  let size = MOST_CELLS.length - 1;
  const tall = () => (count * (SIZES[size][0] + SIZES[size][1]) ** 2) / width > MOST_HEIGHT;
  while (count > MOST_CELLS[size] || (size > LEAST && tall())) size -= 1;
  return SIZES[Math.max(0, Math.min(SIZES.length - 1, size + zoom))];
}

const BY_HEALTH = { bad: 0, open: 1, good: 2 };

/** Numbers of the nodes that have a lane, in order. */
export function lanesOf(state, order = "name") {
  const numbers = state.nodes.map((node, number) => number).filter((number) => state.nodes[number]);
  const worst = (number) => (order === "name" ? 0 : BY_HEALTH[state.nodes[number].health]);
  numbers.sort((a, b) => worst(a) - worst(b) || inOrder(state.nodes[a].name, state.nodes[b].name) || a - b);
  return order === "only" ? numbers.filter((number) => state.nodes[number].health !== "good") : numbers;
}

/** How high a label must be: what is wrong with a node is never cut, since half of it may say the opposite. */
function labelHeight(node, { compact, badges, active }) {
  const lines = node.health === "good" ? 0 : Math.ceil(node.words.length / LETTERS);
  return compact ? 22 + 16 * lines : 44 + 16 * lines + (badges ? 20 : 0) + (active ? 16 : 0);
}

/**
 * Lanes from top to bottom. A group is a run of cells of one type: `first` is the place of its first cell among those of
 * the lane, `letter` that of its letter, which is beside the cells where it is null. Replicas come after the owned shards.
 */
export function layoutOf(state, width, { replicas = false, order = "name", compact = null, zoom = 0 } = {}) {
  const owned = cellsByNode(state, replicas);
  const total = owned.reduce((sum, groups) => sum + groups.reduce((each, group) => each + group.ids.length, 0), 0);
  const left = LABELS + GUTTER;
  const [cell, gap] = cellSize(total, zoom, Math.max(80, width - left - PADDING));
  const step = cell + gap;
  const columns = Math.max(8, Math.floor((width - left - PADDING) / step));
  const numbers = lanesOf(state, order);
  const close = compact ?? numbers.length > MANY_LANES;
  const services = servicesByNode(state);
  const lanes = [];
  let top = 0;
  for (const number of numbers) {
    const node = state.nodes[number];
    const lane = { number, node, top, groups: [], shards: 0, replicas: 0, services: close ? [] : (services.get(number) ?? []) };
    const end = placeGroups(lane, owned[number] ?? [], columns, step);
    const cells = Math.ceil(end / columns) * step;
    const dots = placeActivity(lane, state.activity, { left, right: width - PADDING, top: cells, close });
    const least = labelHeight(node, { compact: close, badges: lane.services.length || replicas, active: lane.activity.length });
    lane.height = Math.max(least, cells + dots + 2 * (close ? 5 : PADDING));
    top += lane.height + 1;
    lanes.push(lane);
  }
  return { lanes, cell, step, columns, height: top, left, padding: close ? 5 : PADDING, width, total, compact: close };
}

/** Lay a lane's groups one after the other; returns the place after the last. */
function placeGroups(lane, groups, columns, step) {
  let place = 0;
  let began = 0; // where the row began in which groups may still follow
  let end = 0;
  for (const { name, kind, ids } of groups) {
    const lead = Math.ceil(13 / step); // as many cells as the letter needs to be read
    const copies = kind === "copies" && lane.groups.at(-1)?.kind === "owned";
    const column = place % columns;
    // A letter is higher than a small cell: none may stand below or above cells of another row.
    const alone = step >= 12 || place - column === began;
    const inside = place > 0 && column > 0 && !copies && alone && column + lead + ids.length <= columns;
    if (!inside && place > 0) {
      place = (Math.ceil(place / columns) + (step < 12 ? 1 : 0)) * columns;
      began = place;
    }
    lane.groups.push({ name, kind, ids, letter: inside ? place : null, first: inside ? place + lead : place });
    end = place + (inside ? lead : 0) + ids.length;
    place = end + 1;
    lane[kind === "owned" ? "shards" : "replicas"] += ids.length;
  }
  return end;
}

/**
 * Below a lane's cells: of each type its letter, a dot for so many active keys each, their count, and what waits. In a compact
 * lane one dot shows the colour, and of what waits only a deep mailbox is said. Returns the height that this takes.
 */
function placeActivity(lane, activity, { left, right, top, close }) {
  lane.activity = [];
  let [x, row] = [left, 0];
  for (const each of activity?.rows.get(lane.number) ?? []) {
    const look = activity.looks[each.type];
    if (!look) continue;
    const dots = close ? Math.min(1, each.active) : Math.ceil(each.active / activity.per);
    const count = each.active.toLocaleString("en");
    const deep = each.deepest >= activity.deep;
    const shallow = each.queued && !close ? `${each.queued.toLocaleString("en")} waiting` : "";
    const waits = deep ? `${each.deepest.toLocaleString("en")} deep` : shallow;
    const beside = waits ? 6 + waits.length * (deep ? WIDTHS.deep : WIDTHS.waiting) + (deep ? 8 : 0) : 0;
    const width = DOTS_AFTER + dots * DOT + 4 + count.length * WIDTHS.count + beside;
    if (x > left && x + width > right) [x, row] = [left, row + 1];
    lane.activity.push({ ...each, look, dots, count, waits, deep, x, y: top + 2 + row * DOTS_ROW, width });
    x += width + 12;
  }
  return lane.activity.length ? (row + 1) * DOTS_ROW + 2 : 0;
}

/** What a lane's node is at, in a few words. */
export function activeWords({ activity }) {
  const sum = (key) => activity.reduce((total, each) => total + each[key], 0);
  const waiting = sum("queued");
  return `${many(sum("active"), "active key")}${waiting ? ` · ${waiting.toLocaleString("en")} waiting` : ""}`;
}

/** The active keys that are drawn at a point of the map; null beside them. */
export function activityAt(layout, x, y) {
  const lane = laneAt(layout, y);
  const top = y - (lane?.top ?? 0) - layout.padding;
  return (
    lane?.activity.find((each) => x >= each.x && x < each.x + each.width && top >= each.y && top < each.y + DOTS_ROW) ?? null
  );
}

/** Where a group's letter stands: its left edge and the top of the cells in its row. */
export function letterOf(layout, lane, group) {
  const [x, y] = cornerOf(layout, lane, group.letter ?? group.first);
  return [group.letter === null ? layout.left - GUTTER + 3 : x + 1, y];
}

function cellsByNode(state, replicas) {
  const byNode = state.nodes.map(() => []);
  for (const kind of replicas ? ["owned", "copies"] : ["owned"]) {
    for (const type of state.types.values()) {
      const lists = new Map();
      const put = (node, id) => (lists.get(node) ?? lists.set(node, []).get(node)).push(id);
      type.ids.forEach((id, place) => {
        const nodes = state.placements[type.codes[place]];
        if (kind === "owned") put(nodes[0] ?? NO_OWNER, id);
        else for (const node of nodes.slice(1)) put(node, id);
      });
      for (const [node, ids] of lists) byNode[node]?.push({ name: type.name, kind, ids });
    }
  }
  return byNode;
}

function servicesByNode(state) {
  const byNode = new Map();
  // Types of a virtual cluster are met by all members before long, and say nothing of one.
  if (!state.status.leads) return byNode;
  for (const [service, node] of state.services) {
    const counts = byNode.get(node) ?? byNode.set(node, new Map()).get(node);
    counts.set(service, (counts.get(service) ?? 0) + 1);
  }
  return new Map([...byNode].map(([node, counts]) => [node, [...counts].sort(([a], [b]) => inOrder(a, b))]));
}

/** Upper left corner of the cell at `place` of a lane, on the whole map. */
export function cornerOf(layout, lane, place) {
  const x = layout.left + (place % layout.columns) * layout.step;
  return [x, lane.top + layout.padding + Math.floor(place / layout.columns) * layout.step];
}

export function laneAt(layout, y) {
  let low = 0;
  let high = layout.lanes.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (layout.lanes[middle].top <= y) low = middle;
    else high = middle - 1;
  }
  return layout.lanes[low];
}

/** The shard drawn at a point of the map, as {lane, group, at}; null between cells. */
export function cellAt(layout, x, y) {
  const lane = laneAt(layout, y);
  if (!lane || x < layout.left) return null;
  const column = Math.floor((x - layout.left) / layout.step);
  const row = Math.floor((y - lane.top - layout.padding) / layout.step);
  if (column >= layout.columns || row < 0) return null;
  const place = row * layout.columns + column;
  const group = lane.groups.find((each) => place >= each.first && place < each.first + each.ids.length);
  return group ? { lane, group, at: place - group.first } : null;
}

/** Where a shard that its owner holds is drawn. */
export function cellOf(layout, name, id) {
  for (const lane of layout.lanes) {
    for (const group of lane.groups) {
      if (group.name !== name || group.kind !== "owned") continue;
      const at = group.ids.indexOf(id);
      if (at >= 0) return { lane, group, at };
    }
  }
  return null;
}
