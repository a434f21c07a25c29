// Numbers over time as a line that is broken where there was no answer, with a tick for each failure. Drawn as SVG.

const SVG = "http://www.w3.org/2000/svg";

function draw(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** A number with as many digits as matter. */
export function figure(number) {
  return Number.isInteger(number)
    ? number.toLocaleString("en")
    : Number(number.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 6 });
}

/** `points` are [time, number, …, error]; the last entry says why there was no answer. */
export class Chart {
  constructor({ height, labels, onPoint }) {
    this.height = height;
    this.labels = labels;
    this.element = draw("svg", { class: "cw-chart", height, preserveAspectRatio: "none" });
    this.element.addEventListener("pointermove", (event) => onPoint(this.nearest(event)));
    this.element.addEventListener("pointerleave", () => onPoint(null));
    this.points = [];
  }

  nearest(event) {
    if (!this.points.length || !this.at) return null;
    const x = event.clientX - this.element.getBoundingClientRect().left;
    return this.points.reduce((best, point) => (Math.abs(this.at(point) - x) < Math.abs(this.at(best) - x) ? point : best));
  }

  update(points) {
    this.points = points;
    const { height } = this;
    const width = this.element.clientWidth || 300;
    this.element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const numbers = points.map((point) => point[1]).filter((number) => number !== null);
    const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
    // What never changes is drawn in the middle.
    const [low, span] = most > least ? [least, most - least] : [least - 0.5, 1];
    const start = points[0]?.[0] ?? 0;
    const long = (points.at(-1)?.[0] ?? 0) - start || 1;
    const [top, bottom] = this.labels ? [16, 12] : [3, 7];
    this.at = (point) => 3 + ((point[0] - start) / long) * (width - 6);
    const y = (number) => height - bottom - ((number - low) / span) * (height - top - bottom);
    const parts = [
      draw("path", { class: "cw-lost", d: this.lost(points) }),
      draw("path", { class: "cw-line", d: this.line(points, y) }),
    ];
    const last = points.at(-1);
    if (last && last[1] !== null) parts.push(draw("circle", { class: "cw-now", cx: this.at(last), cy: y(last[1]), r: 2.5 }));
    if (this.labels && numbers.length) {
      parts.push(draw("text", { x: 3, y: 11 }, figure(most)));
      if (most > least) parts.push(draw("text", { x: 3, y: height - 1 }, figure(least)));
    }
    this.element.replaceChildren(...parts);
  }

  line(points, y) {
    let pen = "M";
    let path = "";
    for (const point of points) {
      if (point[1] === null) {
        pen = "M";
        continue;
      }
      path += `${pen}${this.at(point).toFixed(1)} ${y(point[1]).toFixed(1)}`;
      // A point between two gaps would be no line at all.
      if (pen === "M") path += "h.01";
      pen = "L";
    }
    return path;
  }

  lost(points) {
    return points
      .filter((point) => point.at(-1) !== null)
      .map((point) => `M${this.at(point).toFixed(1)} ${this.height - 5}v5`)
      .join("");
  }
}
