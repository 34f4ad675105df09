/** Lets at most `size` pieces of work go on at a time; the others wait in line. */
export class Limit {
  #line: (() => void)[] = [];

  constructor(private free: number) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((next) => this.#line.push(next));
    try {
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next) next();
      else this.free++;
    }
  }
}
