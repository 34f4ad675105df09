import type { JobOptions } from '../api/client';
import { createStore } from '../ui/store';
import { Limit } from './limit';
import { Transfer, type TransferDeps, type TransferView } from './transfer';

/** Files that are sent at the same time; the others wait in line. */
const maxActive = 2;
/** Parts on their way over all files. A browser opens six connections to a server, and the page needs some for itself. */
const maxParts = 4;

/** All uploads of this page. */
export class Uploads {
  readonly #store = createStore<readonly TransferView[]>([]);
  readonly store = { get: this.#store.get, subscribe: this.#store.subscribe };
  #transfers: Transfer[] = [];
  #limit = new Limit(maxParts);
  #keys = 0;

  constructor(
    private readonly deps: Omit<TransferDeps, 'limit' | 'changed'> & {
      /** Hears of each upload whose captions were asked for. */
      done(view: TransferView): void;
      /** Makes keys that no other page makes. */
      unique(): string;
    },
  ) {}

  add(files: Iterable<File>, options: JobOptions): void {
    for (const file of files) {
      const same = this.#transfers.find((t) => t.file.name === file.name && t.file.size === file.size && t.file.lastModified === file.lastModified);
      if (same && same.view.stage !== 'done' && same.view.stage !== 'cancelled' && same.view.stage !== 'failed') continue;
      if (same) this.#drop(same);
      const key = `${this.deps.unique()}-${++this.#keys}`;
      this.#transfers.push(new Transfer(file, options, key, { ...this.deps, limit: this.#limit, changed: () => this.#changed() }));
    }
    this.#changed();
    this.#next();
  }

  pause(key: string): void {
    this.#with(key, (t) => t.pause());
    this.#next();
  }

  resume(key: string): void {
    this.#with(key, (t) => t.queue());
    this.#next();
  }

  async cancel(key: string): Promise<void> {
    const t = this.#transfers.find((one) => one.view.key === key);
    const cancelled = t?.cancel();
    this.#next();
    await cancelled;
  }

  /** Takes one that has ended off the list. */
  dismiss(key: string): void {
    this.#with(key, (t) => this.#drop(t));
    this.#changed();
  }

  dismissEnded(): void {
    this.#transfers = this.#transfers.filter((t) => !['done', 'cancelled'].includes(t.view.stage));
    this.#changed();
  }

  /** Stops everything and forgets it, because the user has left. What was sent stays with the server. */
  clear(): void {
    for (const t of this.#transfers) if (t.active) t.pause();
    this.#transfers = [];
    this.#changed();
  }

  #with(key: string, act: (t: Transfer) => void): void {
    const t = this.#transfers.find((one) => one.view.key === key);
    if (t) act(t);
  }

  #drop(t: Transfer): void {
    this.#transfers = this.#transfers.filter((one) => one !== t);
  }

  #next(): void {
    const active = this.#transfers.filter((t) => t.active).length;
    const waiting = this.#transfers.filter((t) => t.view.stage === 'waiting').slice(0, Math.max(0, maxActive - active));
    for (const t of waiting) {
      void t.run().then(() => {
        if (t.view.stage === 'done') this.deps.done(t.view);
        this.#next();
      });
    }
  }

  #changed(): void {
    this.#store.set(this.#transfers.map((t) => t.view));
  }
}
