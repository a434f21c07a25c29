// What happened, as rows: who says so, whether it is bad news, and runs of one kind folded into a row that unfolds.

import { digits, many } from "./look.js";
import { TextRows } from "./rows.js";

// When, whose word, of what, and what: these fit 600 px, since a row without one of them says nothing.
const OTHER_COLUMNS = [
  { key: "by", title: "by", width: 72 },
  { key: "subject", title: "subject", width: 84 },
  { key: "kind", title: "event", width: 236 },
  { key: "before", title: "before", width: 190 },
  { key: "after", title: "after", width: 260 },
];
export const EVENT_COLUMNS = [{ key: "time", title: "time (UTC)", width: 120 }, ...OTHER_COLUMNS];
/** Where there are events of another day, whose times have a date. */
export const DATED_COLUMNS = [{ key: "time", title: "time (UTC)", width: 178 }, ...OTHER_COLUMNS];

export const BAD_NEWS = "only bad news";
const RUN = 3; // so many of one kind are folded
const TOGETHER = 3000; // ms between two of a run

/** What the kernel says of a kind of event: how it is called, whose word it is, its tone, and which kind ends it. */
function wordsOfKind(kinds, kind) {
  const [words, by, tone, badAfter, ends] = kinds[kind] ?? [kind.replaceAll("_", " "), "", "", [], ""];
  return { words, by, tone, badAfter, ends };
}

export function toneOf(kinds, [, kind, , , after]) {
  const { tone, badAfter } = wordsOfKind(kinds, kind);
  return badAfter.includes(after) ? "bad" : tone;
}

/** Runs of neighbours of one kind: each a list of events, most of one. */
export function runsOf(events) {
  const runs = [];
  for (const event of events) {
    const last = runs.at(-1)?.at(-1);
    if (last && last[1] === event[1] && event[0] - last[0] <= TOGETHER) runs.at(-1).push(event);
    else runs.push([event]);
  }
  return runs.flatMap((run) => (run.length < RUN ? run.map((event) => [event]) : [run]));
}

/** "43 shards on 4 nodes", of "40 shards on node-1" and its like; how many texts there are if they are not of that kind. */
export function togetherOf(texts) {
  const read = texts.filter(Boolean).map((text) => /^([\d,]+) (.+?) on (.+?)( \([\d, -]+\))?$/.exec(text));
  if (!read.length) return "";
  if (read.includes(null)) return new Set(texts).size === 1 ? texts[0] : `${read.length} of them`;
  const count = read.reduce((sum, [, number]) => sum + Number(number.replaceAll(",", "")), 0);
  const nodes = new Set(read.map(([, , , node]) => node));
  const thing = read[0][2].replace(/s$/, "");
  return `${many(count, thing)} on ${nodes.size === 1 ? [...nodes][0] : many(nodes.size, "node")}`;
}

function severalOf(texts, thing) {
  const all = [...new Set(texts)];
  return all.length <= 3 ? all.join(", ") : many(all.length, thing);
}

const SIGNS = { bad: "✕ ", good: "● " };

function rowOf(kinds, event, number, sign = "") {
  const { words, by, badAfter } = wordsOfKind(kinds, event[1]);
  const tone = toneOf(kinds, event);
  // What it has become may be out of sight, and is the news where only some of it is bad.
  const kind = `${sign}${SIGNS[tone] ?? ""}${words}${badAfter.length && event[4] ? ` to ${event[4]}` : ""}`;
  return {
    time: digits(event[0], true),
    by: event[5] || by,
    kind,
    subject: event[2],
    before: event[3],
    after: event[4],
    tone,
    at: event[0],
    key: `${number}`,
    rank: number,
    last: number,
  };
}

function foldOf(kinds, run, number, open) {
  const row = rowOf(kinds, run[0], number, open ? "▾ " : "▸ ");
  const column = (place) => run.map((event) => event[place]);
  return {
    ...row, by: severalOf(run.map((event) => rowOf(kinds, event, number).by), "name"),
    kind: `${row.kind.slice(0, 2)}${SIGNS[row.tone] ?? ""}${wordsOfKind(kinds, run[0][1]).words}`,
    subject: severalOf(column(2), "name"), before: togetherOf(column(3)), after: togetherOf(column(4)),
    key: `run ${number}`, rank: number - 0.5, last: number + run.length - 0.5,
  }; // prettier-ignore
}

/**
 * Rows of events, the first of which has number `first`. `kind` is one of them or `BAD_NEWS`, `open` the keys of runs that
 * are unfolded; all are where `flat`.
 */
export function eventRows(events, { kinds, first = 0, kind = "", open = new Set(), flat = false }) {
  const wanted = (event) => !kind || (kind === BAD_NEWS ? toneOf(kinds, event) === "bad" : event[1] === kind);
  const rows = [];
  let number = first;
  for (const run of flat ? events.map((event) => [event]) : runsOf(events)) {
    if (run.length > 1 && wanted(run[0])) rows.push(foldOf(kinds, run, number, open.has(`run ${number}`)));
    const inside = run.length > 1 ? open.has(`run ${number}`) : true;
    run.forEach((event, place) => {
      if (inside && wanted(event)) rows.push(rowOf(kinds, event, number + place, run.length > 1 ? "   " : ""));
    });
    number += run.length;
  }
  return new TextRows(rows, {
    key: (row) => row.key,
    tone: (row) => row.tone,
    // A run's own row leads, whichever way they are sorted.
    values: { time: (row, up) => (up ? row.rank : row.last) },
  });
}

/** When there was trouble: [from, to] in milliseconds, in the order in which it began; what has no end is at one time. */
export function troublesOf(events, kinds) {
  const spans = [];
  const open = new Map();
  for (const event of events) {
    const [time, kind, subject] = event;
    const { ends, badAfter } = wordsOfKind(kinds, kind);
    const bad = toneOf(kinds, event) === "bad";
    const over = open.get(`${kind} ${subject}`);
    if (over) over[1] = time;
    open.delete(`${kind} ${subject}`);
    const ending = `${ends || kind} ${subject}`;
    if (!bad || open.has(ending)) continue;
    const span = [time, ends || badAfter.length ? Infinity : time];
    spans.push(span);
    if (span[1] === Infinity) open.set(ending, span);
  }
  return spans;
}
