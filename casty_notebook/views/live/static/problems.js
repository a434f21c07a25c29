// What is wrong, as the kernel found it: since when, who says so, what to try. A list, since sentences want the whole width.

import { ageOf, clock, make, many, say } from "./look.js";

const SEVERITIES = { bad: "✕", warn: "▲" };

/** What a line says, of how it is sent; `now` is the time of what is shown. */
export function problemOf([severity, kind, subject, since, says, text, remedy], now) {
  const lasted = Math.max(0, (now - since) / 1000);
  return {
    severity,
    sign: SEVERITIES[severity] ?? "▲",
    kind: kind.replaceAll("_", " "),
    subject,
    since,
    when: `since ${clock(since)} (${ageOf(lasted)})`,
    says,
    text,
    remedy,
  };
}

export class Problems {
  constructor(moments) {
    this.moments = moments;
    this.count = make("span", { class: "ct-hint", role: "status" });
    this.list = make("ul", { class: "ct-problems", "aria-label": "Problems" });
    this.element = make("div", {}, make("div", { class: "ct-tools" }, this.count), this.list);
  }

  update(state) {
    const { past } = this.moments;
    if (state.problems === null) {
      if (past) this.moments.want(state.time);
      say(this.count, "the kernel is looking …");
      this.list.replaceChildren();
      return;
    }
    const [total, rows] = state.problems;
    const cut = total > rows.length ? `, ${many(rows.length, "of them")} shown; all are in the table: %casty_problems` : "";
    say(this.count, total ? `${many(total, "problem")}${past ? " then" : ""}${cut}` : `no problem${past ? " then" : ""}`);
    const now = this.moments.endOf(state);
    const problems = rows.map((row) => problemOf(row, now));
    // Rows that are the same stay, and with them what is selected and what is read aloud.
    problems.forEach((problem, place) => this.line(place, problem));
    while (this.list.children.length > problems.length) this.list.lastChild.remove();
  }

  line(place, problem) {
    const line = this.list.children[place] ?? this.list.appendChild(this.newLine());
    line.dataset.severity = problem.severity;
    line.since = problem.since;
    const [head, text, remedy] = line.children;
    const [sign, subject, kind, when, says] = head.children;
    for (const [element, words] of [
      [sign, problem.sign], [subject, problem.subject], [kind, problem.kind], [when, problem.when], [says, `by ${problem.says}`],
      [text, problem.text], [remedy, `→ ${problem.remedy}`],
    ]) say(element, words); // prettier-ignore
  }

  newLine() {
    const go = (event) => this.moments.goToTime(event.target.closest("li").since);
    const head = make(
      "div", {}, make("span", { class: "ct-sign", "aria-hidden": "true" }), make("b", {}), make("span", { class: "ct-kind" }),
      make("button", { type: "button", class: "ct-when", title: "show the moment when it began", click: go }), make("span", { class: "ct-hint" }),
    ); // prettier-ignore
    return make("li", {}, head, make("div", {}), make("div", { class: "ct-hint" }));
  }
}
