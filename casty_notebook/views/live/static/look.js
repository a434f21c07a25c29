// Elements, colours and words that every part of the view uses.

/** An element; `attributes` by name, functions as listeners; everything else becomes text, never markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Set text only where it differs: screen readers announce what is written, and selections end. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Okabe and Ito's colours, told apart with every kind of colour blindness; vermilion is kept for what is wrong.
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442", "#8c8c8c"];

/** By type's name: its colour, and as a second cue a letter and one of seven textures. */
export function looksOf(names) {
  const taken = new Set();
  const looks = new Map();
  [...names].forEach((name, place) => {
    const wanted = [...name.toUpperCase().replace(/[^\p{L}\p{N}]/gu, ""), ..."ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"];
    const letter = wanted.find((sign) => !taken.has(sign)) ?? "•";
    taken.add(letter);
    looks.set(name, { letter, colour: COLOURS[place % COLOURS.length], texture: place % 7 });
  });
  return looks;
}

const MARKS = { good: "●", bad: "✕", open: "○" };

export function markOf(node) {
  return node ? MARKS[node.health] : "○";
}

/** What is known of a node's health, in words. */
export function healthOf(node) {
  if (!node) return "unknown";
  if (node.reach === false) return "not reachable";
  if (node.flagged) return "reachable, but the cluster says not";
  if (node.status === "down") return node.reach ? "reachable, but down for the cluster" : "down";
  return node.reach ? "reachable" : "not known yet";
}

export function many(count, thing) {
  return `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;
}

export function clock(time, tenths = false) {
  const date = new Date(time);
  const two = (number) => String(number).padStart(2, "0");
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return tenths ? `${text}.${Math.floor(date.getMilliseconds() / 100)}` : text;
}

export function ageOf(seconds) {
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  return seconds < 36000 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

const natural = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

export function inOrder(a, b) {
  return natural.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

/** Put text on the clipboard. Resolves to false where the browser does not let us. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = make("textarea", { style: "position:fixed;opacity:0" });
    area.value = text;
    document.body.append(area);
    const before = document.activeElement;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus();
    return done;
  }
}

export function download(name, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
