// Which moments there are, and those of them that this page has. The kernel remembers more, and gives one when it is asked.

const MOST_TIMES = 6000; // more than the kernel remembers
const MOST_STATES = 2000;
const MOST_BYTES = 32e6;

/** Times as they are sent: the first, then how much later each one is. */
export function timesFrom(told) {
  let time = 0;
  return told.map((step) => (time += step));
}

export class Past {
  constructor({ mostTimes = MOST_TIMES, mostStates = MOST_STATES, mostBytes = MOST_BYTES } = {}) {
    this.most = { times: mostTimes, states: mostStates, bytes: mostBytes };
    this.times = []; // in order, each once
    this.states = new Map(); // time → state, the one that was looked at longest ago first
    this.bytes = 0;
  }

  /** Hear of moments. */
  learn(times) {
    const last = this.times.at(-1) ?? -Infinity;
    // Nearly always they are newer than all that is known.
    if (times.length === 1 && times[0] > last) this.times.push(times[0]);
    else if (times.some((time) => !this.has(time))) this.times = [...new Set([...this.times, ...times])].sort((a, b) => a - b);
    if (this.times.length > this.most.times) this.times = this.times.slice(-this.most.times);
  }

  has(time) {
    return this.times[this.placeOf(time)] === time;
  }

  /** Keep a state; of one moment the latest. Those that were not looked at for longest go, but never `pinned` ones. */
  keep(state, pinned = []) {
    this.learn([state.time]);
    this.bytes += state.bytes - (this.states.get(state.time)?.bytes ?? 0);
    this.states.delete(state.time);
    this.states.set(state.time, state);
    for (const [time, old] of this.states) {
      if (this.states.size <= this.most.states && this.bytes <= this.most.bytes) break;
      if (old === state || pinned.includes(old)) continue;
      this.bytes -= old.bytes;
      this.states.delete(time);
    }
  }

  /** The state of a moment, if this page has it. */
  state(time) {
    const state = this.states.get(time);
    if (state) {
      this.states.delete(time);
      this.states.set(time, state);
    }
    return state ?? null;
  }

  /** The kernel remembers nothing from before `oldest`: what this page has not got either is gone. */
  forgetBefore(oldest) {
    const kept = this.times.filter((time) => time >= oldest || this.states.has(time));
    if (kept.length < this.times.length) this.times = kept;
  }

  /** Place of the first moment that is not before `time`; of the last one if there is none. */
  placeOf(time) {
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] < time) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, Math.min(low, this.times.length - 1));
  }
}
