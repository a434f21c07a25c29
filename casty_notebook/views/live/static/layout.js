// Where everything on the map goes: a lane for each node, in it the shards by type, each group led by its type's letter.

import { inOrder } from "./look.js";

export const LABELS = 208;
const PADDING = 7;
const NO_OWNER = -1;

/** Side of a cell and the gap after it, by how many there are: a few are read one by one, thousands as an area. */
export function cellSize(count) {
  return count <= 450 ? [14, 2] : count <= 1600 ? [11, 2] : count <= 7000 ? [8, 1] : count <= 16000 ? [6, 1] : [4, 1];
}

/**
 * Lanes from top to bottom. A group is a run of cells of one type: `first` and `count` are places in `ids`, all cells of
 * a lane follow each other there. Replicas come after the owned shards.
 */
export function layoutOf(state, width, replicas) {
  const owned = cellsByNode(state, replicas);
  const total = owned.reduce((sum, groups) => sum + groups.reduce((each, group) => each + group.ids.length, 0), 0);
  const [cell, gap] = cellSize(total);
  const step = cell + gap;
  const columns = Math.max(8, Math.floor((width - LABELS - PADDING) / step));
  const numbers = state.nodes.map((node, number) => number).filter((number) => state.nodes[number]);
  numbers.sort((a, b) => inOrder(state.nodes[a].name, state.nodes[b].name) || a - b);
  const services = servicesByNode(state);
  const lanes = [];
  let top = 0;
  for (const number of numbers) {
    const lane = { number, node: state.nodes[number], top, groups: [], shards: 0, replicas: 0, services: services.get(number) ?? [] };
    let place = 0;
    let end = 0;
    for (const { name, kind, ids } of owned[number] ?? []) {
      // The letter takes as many cells as it needs to be read.
      const lead = Math.ceil(13 / step);
      const left = columns - (place % columns);
      const first = kind === "copies" && lane.groups.at(-1)?.kind === "owned";
      // Letters are higher than small cells, so that their groups need a row between them.
      if (left < columns && (first || left < lead + ids.length)) place += left + (step < 12 ? columns : 0);
      lane.groups.push({ name, kind, ids, letter: place, first: place + lead });
      end = place + lead + ids.length;
      place = end + 1;
      lane[kind === "owned" ? "shards" : "replicas"] += ids.length;
    }
    const least = lane.services.length || replicas ? 62 : 44;
    lane.height = Math.max(least === 44 && numbers.length > 24 ? 38 : least, Math.ceil(end / columns) * step + 2 * PADDING);
    top += lane.height + 1;
    lanes.push(lane);
  }
  return { lanes, cell, step, columns, height: top, left: LABELS, padding: PADDING, width, total };
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
