// What the kernel sends, decoded: a full state, then deltas. States are never changed; what did not change is shared.

const ARRAYS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array };
const NODE_FIELDS = [
  "address",
  "name",
  "status",
  "roles",
  "leader",
  "flagged",
  "reach",
  "reason",
  "rtt",
  "health",
  "words",
  "opinions",
];

/** A copy, since the bytes of a message lie anywhere in it and typed arrays must be aligned. */
function arrayOf(kind, view) {
  return new kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

function nodeOf(row) {
  if (row === null) return null;
  return Object.fromEntries(NODE_FIELDS.map((field, place) => [field, row[place]]));
}

const aboutType = ({ name, total, odd, ownerless }) => ({ name, total, odd, ownerless });

function wholeType(head, buffers) {
  const ids =
    head.first === null
      ? arrayOf(Int32Array, buffers.shift())
      : Int32Array.from({ length: head.count }, (_, place) => head.first + place);
  const codes = arrayOf(ARRAYS[head.width], buffers.shift());
  return { ...aboutType(head), ids, codes };
}

/** The place of a shard in its type's columns, or -1. */
export function placeOf(type, id) {
  const ids = type.ids;
  const dense = id - ids[0];
  if (ids[dense] === id) return dense;
  let low = 0;
  let high = ids.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (ids[middle] === id) return middle;
    if (ids[middle] < id) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

function changedType(old, head, buffers) {
  const ids = arrayOf(Int32Array, buffers.shift());
  const codes = arrayOf(ARRAYS[head.width], buffers.shift());
  const none = 256 ** head.width - 1;
  const places = Array.from(ids, (id) => placeOf(old, id));
  const wide = ARRAYS[Math.max(head.width, old.codes.BYTES_PER_ELEMENT)];
  const about = aboutType(head);
  if (codes.every((code, at) => code !== none && places[at] >= 0)) {
    const changed = wide.from(old.codes);
    places.forEach((place, at) => (changed[place] = codes[at]));
    return { ...about, ids: old.ids, codes: changed };
  }
  const placed = new Map();
  old.ids.forEach((id, place) => placed.set(id, old.codes[place]));
  ids.forEach((id, at) => (codes[at] === none ? placed.delete(id) : placed.set(id, codes[at])));
  const all = Int32Array.from(placed.keys()).sort();
  return { ...about, ids: all, codes: wide.from(all, (id) => placed.get(id)) };
}

/** By type's name, in the order in which types are shown: letter, colour, and the texture that goes with its place. */
function looksFrom(looks) {
  return new Map(looks.map(([name, letter, colour], place) => [name, { letter, colour, texture: place % 7 }]));
}

/** Four counts of each type: its place among the looks, active keys, messages in their mailboxes, and in the deepest. */
function activityRows(counts) {
  const rows = [];
  for (let at = 0; at + 3 < counts.length; at += 4) {
    const [type, active, queued, deepest] = counts.slice(at, at + 4);
    rows.push({ type, active, queued, deepest });
  }
  return rows;
}

/** What the nodes are at, by their numbers; without any rows, perhaps how to get that. */
function wholeActivity(head) {
  if (!head) return { hint: "", looks: [], per: 1, deep: 1, rows: new Map() };
  const looks = head.looks.map(([name, letter, colour]) => ({ name, letter, colour }));
  const rows = new Map(head.rows.map(([number, counts]) => [number, activityRows(counts)]));
  return { hint: head.hint, looks, per: head.per, deep: head.deep, rows };
}

export function changedActivity(before, head) {
  if (head.rows) return wholeActivity(head);
  const rows = new Map(before.rows);
  for (const [number, counts] of head.changed) {
    if (counts === null) {
      rows.delete(number);
      continue;
    }
    const byType = new Map((rows.get(number) ?? []).map((row) => [row.type, row]));
    for (const row of activityRows(counts)) byType.set(row.type, row);
    const living = [...byType.values()].filter(({ active, queued }) => active || queued);
    rows.set(
      number,
      living.sort((a, b) => a.type - b.type),
    );
  }
  return { ...before, per: head.per, rows };
}

export function decodeFull(head, buffers) {
  const left = [...buffers];
  return {
    edition: head.edition,
    sequence: head.sequence,
    time: head.time,
    status: head.status,
    epoch: head.epoch,
    nodes: head.nodes.map(nodeOf),
    placements: head.placements,
    types: new Map(head.types.map((each) => [each.name, wholeType(each, left)])),
    services: head.services,
    looks: looksFrom(head.looks),
    problems: head.problems ?? null, // [how many, the first of them]; null where nobody has looked
    activity: wholeActivity(head.activity),
    moved: new Map(),
    bytes: buffers.reduce((sum, view) => sum + view.byteLength, 1000),
  };
}

export function applyDelta(before, head, buffers) {
  const left = [...buffers];
  const types = new Map(before.types);
  for (const each of head.types ?? []) {
    if (each.gone) types.delete(each.name);
    else if (each.whole) types.set(each.name, wholeType(each, left));
    else types.set(each.name, changedType(types.get(each.name), each, left));
  }
  const nodes = head.nodes ? [...before.nodes] : before.nodes;
  for (const [number, row] of head.nodes ?? []) nodes[number] = nodeOf(row);
  const after = {
    ...before,
    sequence: head.sequence,
    time: head.time,
    status: head.status ?? before.status,
    epoch: "epoch" in head ? head.epoch : before.epoch,
    nodes,
    placements: head.placements ? [...before.placements, ...head.placements] : before.placements,
    types,
    problems: "problems" in head ? head.problems : before.problems,
    activity: head.activity ? changedActivity(before.activity, head.activity) : before.activity,
    looks: head.looks ? looksFrom(head.looks) : before.looks,
    services: head.services ? changedServices(before.services, head.services) : before.services,
  };
  after.moved = movesBetween(before, after);
  after.bytes = 500 + (head.types ?? []).reduce((sum, { name }) => sum + (types.get(name)?.codes.byteLength ?? 0), 0);
  return after;
}

function changedServices(services, { gone, new: added }) {
  const left = new Set(gone.map((entry) => JSON.stringify(entry)));
  return [...services.filter((entry) => !left.has(JSON.stringify(entry))), ...added];
}

/** By type: the shards whose owner differs, each with its owner before (-1: it had none). */
export function movesBetween(before, after) {
  const moves = new Map();
  for (const [name, type] of after.types) {
    const old = before.types.get(name);
    if (old === type || before.edition !== after.edition) continue;
    const moved = new Map();
    type.ids.forEach((id, place) => {
      const at = old ? placeOf(old, id) : -1;
      const from = at < 0 ? -1 : before.placements[old.codes[at]][0];
      if (from !== after.placements[type.codes[place]][0]) moved.set(id, from);
    });
    if (moved.size) moves.set(name, moved);
  }
  return moves;
}

export function ownerlessCount(state) {
  let count = 0;
  for (const type of state.types.values()) count += type.ownerless;
  return count;
}

export function shardCount(state) {
  let count = 0;
  for (const type of state.types.values()) count += type.ids.length;
  return count;
}

/** All that is known of one shard; null if it is not listed. */
export function shardAt(state, name, id) {
  const type = state.types.get(name);
  const place = type ? placeOf(type, id) : -1;
  if (place < 0) return null;
  const [owner, ...replicas] = state.placements[type.codes[place]].map((number) => state.nodes[number]);
  return { type: name, id, owner, replicas };
}
