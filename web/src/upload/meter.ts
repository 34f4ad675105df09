/** Measures the speed of the last seconds, because an average over the whole upload hides what happens now. */
export class Meter {
  #samples: { at: number; bytes: number }[] = [];

  constructor(private readonly span = 8000) {}

  /** Notes that `bytes` have been sent in all. What goes back, because a part must be sent again, starts a new measurement. */
  note(bytes: number, at: number): void {
    const last = this.#samples.at(-1);
    if (last && bytes < last.bytes) this.#samples = [];
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && this.#samples[0]!.at < at - this.span) this.#samples.shift();
  }

  reset(): void {
    this.#samples = [];
  }

  /** Bytes a second, or null while nothing is known. */
  speed(): number | null {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.at - first.at < 250) return null;
    return ((last.bytes - first.bytes) * 1000) / (last.at - first.at);
  }
}
