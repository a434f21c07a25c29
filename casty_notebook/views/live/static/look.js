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

const MARKS = { good: "●", bad: "✕", open: "○" };

export function markOf(node) {
  return node ? MARKS[node.health] : "○";
}

/** What is known of a node's health, in the kernel's words. */
export function healthOf(node) {
  return node?.words ?? "unknown";
}

export function many(count, thing, things = `${thing}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? thing : things}`;
}

export const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

/** Times are in UTC, as in the tables; with the date where that is not today's. */
export function clock(time, tenths = false) {
  return `${digits(time, tenths)} UTC`;
}

/** The same where a heading names the zone. */
export function digits(time, tenths = false, now = Date.now()) {
  const text = new Date(time).toISOString();
  const date = text.slice(0, 10) === new Date(now).toISOString().slice(0, 10) ? "" : `${text.slice(0, 10)} `;
  return date + text.slice(11, tenths ? 21 : 19);
}

export function ageOf(seconds) {
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  return seconds < 36000 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

/** What one placement is called; that of a ring is a ring slice, not a ring's ring slice. */
export function titleOf({ status }, type, id) {
  const [placement] = status.words;
  return placement.startsWith(type) ? `${placement} ${id}` : `${type} ${placement} ${id}`;
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

export function download(name, content, type = "text/csv") {
  const link = make("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
