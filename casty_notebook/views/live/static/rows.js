// Rows of the tables. A row has a key that outlives updates, texts by column, and a rank by column to sort by.

import { healthOf, inOrder, markOf } from "./look.js";

/** Places that pass the filter, in order. Ranks are numbers, so 40,000 rows are sorted as numbers. */
function ordered(length, passes, rank, up) {
  const keys = new Float64Array(length);
  let count = 0;
  for (let at = 0; at < length; at += 1) if (passes(at)) keys[count++] = (up ? rank(at) : -rank(at)) * length + at;
  const sorted = keys.subarray(0, count).sort();
  return Uint32Array.from(sorted, (key) => ((key % length) + length) % length);
}

/** For each distinct value its place in natural order. */
function ranksOf(values) {
  const ranks = new Map();
  [...new Set(values)]
    .sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : inOrder(String(a), String(b))))
    .forEach((value, place) => ranks.set(value, place));
  return ranks;
}

const wordsOf = (filter) => filter.toLowerCase().split(/\s+/).filter(Boolean);

/** A few hundred or thousand rows of texts. Words of the filter must all occur somewhere in the row. */
export class TextRows {
  constructor(rows, { key, tone, values = {} }) {
    this.rows = rows;
    this.key = (at) => key(rows[at]);
    this.tone = tone && ((at) => tone(rows[at]));
    this.values = values;
  }

  get length() {
    return this.rows.length;
  }

  text(at, column) {
    return String(this.rows[at][column] ?? "");
  }

  order({ key, up }, filter) {
    const words = wordsOf(filter);
    const value = (at) => this.values[key]?.(this.rows[at], up) ?? this.rows[at][key] ?? "";
    const ranks = ranksOf(this.rows.map((_, at) => value(at)));
    const passes = (at) => {
      if (!words.length) return true;
      const all = Object.values(this.rows[at]).join("\n").toLowerCase();
      return words.every((word) => all.includes(word));
    };
    return ordered(this.length, passes, (at) => ranks.get(value(at)), up);
  }
}

const column = (key, title, width, number = false) => ({ key, title, width, number });
const WHO = [column("node", "node", 90), column("status", "status", 64), column("health", "from here", 256)];
const ADDRESS = column("address", "address", 160);
const RTT = column("rtt", "ms", 60, true);

/** First what a member is and has, of which a page of 600 px shows all while it is well. */
export const MEMBER_COLUMNS = [
  ...WHO,
  column("leader", "leader", 80),
  column("shards", "shards", 75, true),
  column("services", "services", 80, true),
  RTT,
  column("roles", "roles", 90),
  ADDRESS,
];

/** Where the nodes say what they are at. */
const ACTIVITY_COLUMNS = [column("active", "active", 62, true), column("queued", "queued", 70, true)];

/** Those of a cluster without a leader, whose members have opinions of each other. */
const virtualColumns = (told) => [
  ...WHO,
  ...(told ? ACTIVITY_COLUMNS : []),
  column("shards", "ring slices", 90, true),
  column("services", "types", 54, true),
  RTT,
  column("opinions", "members say", 170),
  ADDRESS,
];

const STATES = [130, 256, 380]; // of "reachable", "reachable, but the cluster says not", "…, but members differ: 12 alive, 3 suspect"

/** What columns depend on: as long as it stays, so do they. */
export function shapeOf({ status, nodes, activity }) {
  const longest = nodes.reduce((most, node) => (node ? Math.max(most, healthOf(node).length) : most), 0);
  const wide = STATES.find((width) => width >= 7 * longest + 30) ?? 7 * longest + 30; // never cut: half a state may say the opposite
  return [...status.words, status.leads, status.by_type, activity.rows.size > 0, wide].join();
}

/** Columns of the tables in this cluster's words, and wide enough for them. */
export function columnsOf(state) {
  const { status, activity } = state;
  const [placement, , service] = status.words;
  const titles = { shard: placement, service };
  const health = Number(shapeOf(state).split(",").at(-1));
  const widths = { health, shard: Math.max(75, 8 * placement.length + 30) };
  const worded = (each) => ({ ...each, title: titles[each.key] ?? each.title, width: widths[each.key] ?? each.width });
  return {
    Members: (status.leads ? MEMBER_COLUMNS : virtualColumns(activity.rows.size > 0)).map(worded),
    Shards: SHARD_COLUMNS.filter(({ key }) => status.by_type || key !== "type").map(worded),
    Services: SERVICE_COLUMNS.map(worded),
  };
}

/** Active keys and messages that wait, of all types; nothing of a node that does not say. */
function activeOf(types) {
  if (!types) return { active: "", queued: "" };
  return types.reduce((sum, each) => ({ active: sum.active + each.active, queued: sum.queued + each.queued }), {
    active: 0,
    queued: 0,
  });
}

export function memberRows(state) {
  const shards = new Map();
  for (const type of state.types.values()) {
    for (const code of type.codes) {
      const owner = state.placements[code][0];
      shards.set(owner, (shards.get(owner) ?? 0) + 1);
    }
  }
  const rows = [];
  state.nodes.forEach((node, number) => {
    if (!node) return;
    rows.push({
      node: node.name, address: node.address, status: node.status ?? "no member", health: `${markOf(node)} ${healthOf(node)}`,
      leader: node.leader ? "★ leader" : "", roles: node.roles, shards: shards.get(number) ?? 0,
      services: state.services.filter((entry) => entry[1] === number).length, opinions: node.opinions || "the same", rtt: node.rtt ?? "", tone: node.health,
      ...activeOf(state.activity.rows.get(number)),
    }); // prettier-ignore
  });
  return new TextRows(rows, {
    key: (row) => row.address,
    tone: (row) => row.tone,
    values: Object.fromEntries(["rtt", "active", "queued"].map((key) => [key, (row) => (row[key] === "" ? -1 : row[key])])),
  });
}

export const SERVICE_COLUMNS = [
  { key: "service", title: "service", width: 200 },
  { key: "node", title: "node", width: 120 },
  { key: "health", title: "from here", width: 256 },
  { key: "address", title: "address", width: 165 },
  { key: "path", title: "path", width: 150 },
];

export function serviceRows(state) {
  const rows = state.services.map(([service, number, path]) => {
    const node = state.nodes[number];
    return {
      service,
      node: node?.name ?? "",
      address: node?.address ?? "",
      path,
      health: `${markOf(node)} ${healthOf(node)}`,
      tone: node?.health,
    };
  });
  return new TextRows(rows, { key: (row) => [row.service, row.address, row.path].join("\n"), tone: (row) => row.tone });
}

export const SHARD_COLUMNS = [
  { key: "type", title: "type", width: 140 },
  { key: "shard", title: "shard", width: 75, number: true },
  { key: "node", title: "node", width: 120 },
  { key: "health", title: "from here", width: 256 },
  { key: "address", title: "address", width: 165 },
  { key: "replicas", title: "replicas", width: 160 },
];

/** Tens of thousands of rows that are never made: texts and ranks come from the few types, nodes and placements. */
export class ShardRows {
  constructor(state) {
    this.types = [...state.types.values()];
    this.starts = [];
    this.length = 0;
    for (const type of this.types) {
      this.starts.push(this.length);
      this.length += type.ids.length;
    }
    this.ids = new Int32Array(this.length);
    this.codes = new Uint32Array(this.length);
    this.typeAt = new Uint16Array(this.length);
    this.types.forEach((type, number) => {
      this.ids.set(type.ids, this.starts[number]);
      this.codes.set(type.codes, this.starts[number]);
      this.typeAt.fill(number, this.starts[number], this.starts[number] + type.ids.length);
    });
    this.placed = state.placements.map((numbers) => {
      const [owner, ...replicas] = numbers.map((number) => state.nodes[number]);
      return {
        node: owner?.name ?? "", address: owner?.address ?? "", replicas: replicas.map((node) => node?.name ?? "?").join(", "),
        health: `${markOf(owner)} ${healthOf(owner)}`, tone: owner?.health,
      }; // prettier-ignore
    });
  }

  key(at) {
    return `${this.types[this.typeAt[at]].name}\n${this.ids[at]}`;
  }

  tone(at) {
    return this.placed[this.codes[at]].tone;
  }

  text(at, column) {
    if (column === "type") return this.types[this.typeAt[at]].name;
    if (column === "shard") return String(this.ids[at]);
    return this.placed[this.codes[at]][column];
  }

  order({ key, up }, filter) {
    return ordered(this.length, this.passing(wordsOf(filter)), this.ranking(key), up);
  }

  ranking(key) {
    if (key === "shard") return (at) => this.ids[at];
    const names = key === "type" ? this.types.map((type) => type.name) : this.placed.map((placed) => placed[key]);
    const ranks = ranksOf(names);
    const byNumber = Float64Array.from(names, (name) => ranks.get(name));
    const numbers = key === "type" ? this.typeAt : this.codes;
    return (at) => byNumber[numbers[at]];
  }

  passing(words) {
    const tests = words.map((word) => {
      const types = this.types.map((type) => type.name.toLowerCase().includes(word));
      const placed = this.placed.map(({ node, address, replicas, health }) =>
        `${node}\n${address}\n${replicas}\n${health}`.toLowerCase().includes(word),
      );
      return (at) => types[this.typeAt[at]] || placed[this.codes[at]] || String(this.ids[at]) === word;
    });
    return (at) => tests.every((test) => test(at));
  }
}
