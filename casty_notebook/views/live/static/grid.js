// A table that may be long: only the rows in sight are elements. Sort, filter, selection and place survive new rows.

import { download, make, say } from "./look.js";

const ROW = 25;

export class Grid {
  // `rows` (see rows.js) is replaced at each update; everything that the reader chose stays here.
  constructor(label, columns, { sort = columns[0].key, onPick = null, onFilter = null, fileName = label } = {}) {
    this.label = label;
    this.columns = columns;
    this.sort = { key: sort, up: true };
    this.filter = "";
    this.chosen = new Set();
    this.current = null;
    this.onPick = onPick;
    this.onFilter = onFilter;
    this.fileName = fileName;
    this.order = [];
    this.build();
  }

  build() {
    const { label } = this;
    this.input = make("input", {
      type: "search",
      placeholder: "filter",
      "aria-label": `Filter ${label}`,
      input: () => this.setFilter(this.input.value),
    });
    this.count = make("span", { class: "ct-count", role: "status" });
    this.save = make("button", { type: "button", class: "ct-button", click: () => this.download() }, "CSV");
    this.clear = make(
      "button",
      { type: "button", class: "ct-button", hidden: true, click: () => this.choose(() => this.chosen.clear()) },
      "clear selection",
    );
    this.tools = make("div", { class: "ct-tools" }, this.input, this.count, this.clear, this.save);
    this.body = make("tbody");
    this.head = make("tr", { "aria-rowindex": 1 });
    this.table = make(
      "table",
      { role: "grid", "aria-label": label, "aria-multiselectable": "true", tabindex: 0, keydown: (event) => this.key(event) },
      make("thead", {}, this.head),
      this.body,
    );
    this.setColumns(this.columns);
    this.scroller = make("div", { class: "ct-scroller", scroll: () => this.draw() }, this.table);
    this.element = make("div", { class: "ct-grid", "data-of": label }, this.tools, this.scroller);
    this.body.addEventListener("click", (event) => this.click(event));
  }

  /** What the rows have; none is ever narrower than its width, a narrow page scrolls. */
  setColumns(columns) {
    if (columns === this.columns && this.heads) return;
    this.columns = columns;
    if (!columns.some(({ key }) => key === this.sort.key)) this.sort = { key: columns[0].key, up: true };
    this.heads = columns.map((column) =>
      make(
        "th",
        { scope: "col", style: `width:${column.width}px` },
        make("button", { type: "button", click: () => this.sortBy(column.key) }, column.title),
      ),
    );
    this.head.replaceChildren(...this.heads);
    this.table.style.minWidth = `${columns.reduce((sum, { width }) => sum + width, 0)}px`;
  }

  // --- what the reader chooses

  sortBy(key) {
    this.sort = { key, up: this.sort.key === key ? !this.sort.up : true };
    this.refresh();
  }

  setFilter(text) {
    this.filter = text;
    this.input.value = text;
    this.scroller.scrollTop = 0;
    this.onFilter?.();
    this.refresh();
  }

  choose(change) {
    change();
    this.draw();
  }

  click(event) {
    const row = event.target.closest("tr[data-key]");
    if (!row) return;
    this.current = row.dataset.key;
    this.toggle(this.current, event.shiftKey);
  }

  toggle(key, range = false) {
    const keys = range && this.anchor ? this.keysBetween(this.anchor, key) : [key];
    this.choose(() => {
      if (range) keys.forEach((each) => this.chosen.add(each));
      else if (!this.chosen.delete(key)) this.chosen.add(key);
    });
    this.anchor = key;
    this.onPick?.(key);
  }

  keysBetween(one, other) {
    const keys = Array.from(this.order, (place) => this.rows.key(place));
    const [from, to] = [keys.indexOf(one), keys.indexOf(other)].sort((a, b) => a - b);
    return from < 0 ? [other] : keys.slice(from, to + 1);
  }

  key(event) {
    if (event.target !== this.table) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) this.walk(steps[event.key]);
    else if ((event.key === " " || event.key === "Enter") && this.current !== null) this.toggle(this.current, event.shiftKey);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  walk(step) {
    if (!this.order.length) return;
    const before = Array.prototype.findIndex.call(this.order, (place) => this.rows.key(place) === this.current);
    const place = Math.max(0, Math.min(this.order.length - 1, before < 0 ? 0 : before + step));
    this.current = this.rows.key(this.order[place]);
    const top = place * ROW;
    const room = this.scroller.clientHeight - 2 * ROW;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top > this.scroller.scrollTop + room) this.scroller.scrollTop = top - room;
    this.draw();
  }

  // --- rows

  update(rows) {
    this.rows = rows;
    this.refresh();
  }

  refresh() {
    if (!this.rows) return;
    this.order = this.rows.order(this.sort, this.filter);
    this.draw();
  }

  draw() {
    if (!this.rows) return;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW) - 5);
    const last = Math.min(this.order.length, first + Math.ceil((this.scroller.clientHeight || 400) / ROW) + 10);
    const lines = [];
    for (let place = first; place < last; place += 1) lines.push(this.line(place));
    this.body.replaceChildren(
      spacer(first, this.columns.length),
      ...lines,
      spacer(this.order.length - last, this.columns.length),
    );
    this.heads.forEach((head, place) => {
      const own = this.columns[place].key === this.sort.key;
      head.setAttribute("aria-sort", own ? (this.sort.up ? "ascending" : "descending") : "none");
    });
    this.table.setAttribute("aria-rowcount", this.order.length + 1);
    const chosen = this.chosen.size ? `, ${this.chosen.size.toLocaleString("en")} selected` : "";
    say(this.count, `${this.order.length.toLocaleString("en")} of ${this.rows.length.toLocaleString("en")}${chosen}`);
    this.clear.hidden = !this.chosen.size;
    say(this.save, this.chosen.size ? "CSV of selection" : "CSV");
    const active = this.body.querySelector(".ct-current");
    if (active) this.table.setAttribute("aria-activedescendant", active.id);
    else this.table.removeAttribute("aria-activedescendant");
  }

  line(place) {
    const at = this.order[place];
    const key = this.rows.key(at);
    const chosen = this.chosen.has(key);
    const current = key === this.current;
    const line = make("tr", {
      id: `${this.prefix()}-${place}`, "data-key": key, "aria-rowindex": place + 2, "aria-selected": String(chosen),
      class: `${current ? "ct-current " : ""}${this.rows.tone?.(at) ? `ct-${this.rows.tone(at)}` : ""}`,
    }); // prettier-ignore
    for (const column of this.columns) {
      const text = this.rows.text(at, column.key);
      line.append(make("td", { class: column.number ? "ct-number" : false, title: text.length > 24 ? text : false }, text));
    }
    return line;
  }

  prefix() {
    this.own ??= `ct-${Math.random().toString(36).slice(2, 9)}`;
    return this.own;
  }

  // --- taking it away

  csv() {
    const places = this.chosen.size
      ? Array.from(this.order).filter((at) => this.chosen.has(this.rows.key(at)))
      : Array.from(this.order);
    const lines = [this.columns.map((column) => cellOfCsv(column.title))];
    for (const at of places) lines.push(this.columns.map((column) => cellOfCsv(this.rows.text(at, column.key))));
    return lines.map((line) => line.join(",")).join("\r\n") + "\r\n";
  }

  download() {
    download(`${this.fileName}.csv`, this.csv());
  }
}

/** Quoted where it must be. Text that a spreadsheet would run as a formula (names come from the network) is led by a quote. */
export function cellOfCsv(text) {
  const safe = /^[=+\-@\t\r]/.test(text) && !/^[+-]?[\d.]+$/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function spacer(rows, columns) {
  return make(
    "tr",
    { class: "ct-spacer", "aria-hidden": "true" },
    make("td", { colspan: columns, style: `height:${rows * ROW}px` }),
  );
}
