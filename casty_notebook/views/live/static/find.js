// What somebody looks for: a node, a shard by its number, or an entity, of which only the kernel knows the shard.

import { lanesOf } from "./layout.js";
import { titleOf } from "./look.js";
import { placeOf } from "./state.js";

const NOTHING = { cells: new Set(), nodes: new Set(), lanes: [], words: "" };

/** Whether the kernel must be asked: `type/entity`, or an address of an actor. */
export function isTarget(text) {
  return /^\S+\/\S/.test(text.trim());
}

/** What is found of `text` in a state: cells and nodes to light up, lanes in order, and what to say. */
export function find(state, text) {
  const wanted = text.trim();
  if (!wanted) return NOTHING;
  const shard = /^(?:(.+?)[\s#])?\s*(-?\d+)$/.exec(wanted);
  const types = shard ? [...state.types.values()].filter(({ name }) => shard[1] === undefined || name === shard[1].trim()) : [];
  const cells = types.filter((type) => placeOf(type, Number(shard[2])) >= 0).map(({ name }) => [name, Number(shard[2])]);
  if (cells.length) return foundCells(state, cells);
  const word = wanted.toLowerCase();
  const nodes = lanesOf(state).filter((number) =>
    [state.nodes[number].name, state.nodes[number].address].some((name) => name.toLowerCase().includes(word)),
  );
  if (!nodes.length)
    return { ...NOTHING, words: isTarget(wanted) ? "Enter asks the kernel for its shard" : `nothing here is called ${wanted}` };
  const named = nodes.slice(0, 5).map((number) => state.nodes[number].name);
  return {
    cells: new Set(),
    nodes: new Set(nodes),
    lanes: nodes,
    words: `${named.join(", ")}${nodes.length > 5 ? ` and ${nodes.length - 5} more` : ""}`,
  };
}

/** Cells of shards by [type, number], and where they are. */
export function foundCells(state, cells, of = "") {
  const lanes = [];
  const words = cells.map(([name, id]) => {
    const type = state.types.get(name);
    const place = type ? placeOf(type, id) : -1;
    const owner = place < 0 ? null : state.placements[type.codes[place]][0];
    if (owner !== null) lanes.push(owner);
    const node = owner === null ? null : state.nodes[owner];
    return `${titleOf(state, name, id)} ${node ? `on ${node.name} (${node.address}), ${node.words}` : "has no owner that is listed"}`;
  });
  return {
    cells: new Set(cells.map(([name, id]) => `${name}/${id}`)),
    nodes: new Set(lanes),
    lanes,
    words: `${of}${words.join(" · ")}`,
  };
}
