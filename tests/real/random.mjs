// Chance that can be repeated.

/** A stream of draws that depends on nothing but the seed (the generator is mulberry32). */
export class Random {
  constructor(seed) {
    this.#state = seed >>> 0;
  }

  #state;

  /** A number from 0, below 1. */
  #next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`, both included. */
  between(least, most) {
    return least + Math.floor(this.#next() * (most - least + 1));
  }

  coin() {
    return this.between(0, 1) === 1;
  }

  pick(list) {
    return list[this.between(0, list.length - 1)];
  }

  shuffled(list) {
    const left = [...list];
    return list.map(() => left.splice(this.between(0, left.length - 1), 1)[0]);
  }
}
