import type { ApiCue } from '../api/client';
import { Failure, messageOf } from '../api/failure';
import { createStore } from '../ui/store';
import { sameCues } from './cues';

/** A stored version of the captions. */
export interface Version {
  etag: string;
  cues: readonly ApiCue[];
}

export type SaveState =
  | { kind: 'saved' }
  | { kind: 'unsaved' }
  | { kind: 'saving' }
  | { kind: 'retrying'; message: string }
  | { kind: 'refused'; message: string }
  /** Somebody else has stored another version; only the user can say which one counts. */
  | { kind: 'conflict'; theirs: Version };

export interface Store {
  load(): Promise<Version>;
  /** Stores cues over the version of that etag, or fails with status 412. */
  save(etag: string, cues: readonly ApiCue[]): Promise<Version>;
}

/** What is not saved yet, kept where a reload does not lose it. */
export interface Drafts {
  keep(draft: { etag: string; cues: readonly ApiCue[] }): void;
  drop(): void;
}

interface Timers {
  set(work: () => void, ms: number): number;
  clear(timer: number): void;
}

const quiet = 1000;
const longest = 15_000;

/** Stores the captions a moment after each change, and never over a version that its user has not seen. */
export class Autosave {
  readonly #state = createStore<SaveState>({ kind: 'saved' });
  readonly state = { get: this.#state.get, subscribe: this.#state.subscribe };
  #wanted: readonly ApiCue[];
  #timer: number | undefined;
  #running: Promise<void> | undefined;
  #failures = 0;
  #looking = false;
  #closed = false;

  constructor(
    private version: Version,
    private readonly store: Store,
    private readonly drafts: Drafts,
    private readonly timers: Timers,
    private readonly saved: (v: Version) => void = () => undefined,
  ) {
    this.#wanted = version.cues;
  }

  /** Notes what the captions are now. */
  change(cues: readonly ApiCue[]): void {
    if (sameCues(cues, this.#wanted) && this.#state.get().kind !== 'refused') return;
    this.#wanted = cues;
    this.#keepDraft();
    if (this.#state.get().kind === 'conflict') return;
    if (!this.#running) this.#state.set({ kind: 'unsaved' });
    this.#failures = 0;
    this.#plan(quiet);
  }

  /** Stores what is not stored yet, at once. */
  async flush(): Promise<void> {
    this.#cancelTimer();
    await this.#running;
    if (this.#dirty() && !this.#closed && this.#state.get().kind !== 'conflict') await this.#save();
  }

  /** Looks whether somebody else has stored a version. Tells it if nothing here is unsaved; else it is a conflict. */
  async look(): Promise<Version | null> {
    if (this.#looking || this.#running || this.#state.get().kind === 'conflict') return null;
    const before = this.version;
    this.#looking = true;
    let theirs: Version;
    try {
      theirs = await this.store.load();
    } finally {
      this.#looking = false;
    }
    // What was asked for before a save may answer after it, and is older than what is here then.
    if (this.#closed || this.#running || this.version !== before || theirs.etag === before.etag) return null;
    if (this.#dirty()) {
      this.#meet(theirs);
      return null;
    }
    this.#adopt(theirs);
    return theirs;
  }

  /** Ends a conflict with the other version: what is unsaved here is dropped. */
  takeTheirs(): Version | null {
    const state = this.#state.get();
    if (state.kind !== 'conflict') return null;
    this.#adopt(state.theirs);
    return state.theirs;
  }

  /** Ends a conflict with the version here, which replaces exactly the one that the user was told of. */
  async keepMine(): Promise<void> {
    const state = this.#state.get();
    if (state.kind !== 'conflict') return;
    this.version = state.theirs;
    await this.#save();
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer();
  }

  #dirty(): boolean {
    return !sameCues(this.#wanted, this.version.cues);
  }

  #adopt(v: Version): void {
    this.#cancelTimer();
    this.version = v;
    this.#wanted = v.cues;
    this.drafts.drop();
    this.#state.set({ kind: 'saved' });
  }

  #keepDraft(): void {
    if (this.#dirty()) this.drafts.keep({ etag: this.version.etag, cues: this.#wanted });
    else this.drafts.drop();
  }

  #plan(ms: number): void {
    this.#cancelTimer();
    this.#timer = this.timers.set(() => void this.flush(), ms);
  }

  #cancelTimer(): void {
    if (this.#timer !== undefined) this.timers.clear(this.#timer);
    this.#timer = undefined;
  }

  #save(): Promise<void> {
    this.#running = this.#attempt().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #attempt(): Promise<void> {
    const cues = this.#wanted;
    this.#state.set({ kind: 'saving' });
    try {
      this.version = await this.store.save(this.version.etag, cues);
      this.#stored();
    } catch (e) {
      if (e instanceof Failure && e.status === 412) await this.#changedElsewhere(cues);
      else this.#failed(e);
    }
  }

  #stored(): void {
    this.#failures = 0;
    this.saved(this.version);
    this.#keepDraft();
    if (this.#dirty()) {
      this.#state.set({ kind: 'unsaved' });
      if (!this.#closed) this.#plan(quiet);
    } else this.#state.set({ kind: 'saved' });
  }

  /** The stored version is not ours. It may be what we sent, where only the answer was lost. */
  async #changedElsewhere(sent: readonly ApiCue[]): Promise<void> {
    try {
      const theirs = await this.store.load();
      if (sameCues(theirs.cues, sent)) {
        this.version = theirs;
        this.#stored();
      } else this.#meet(theirs);
    } catch (e) {
      this.#failed(e);
    }
  }

  #meet(theirs: Version): void {
    this.#cancelTimer();
    this.#state.set({ kind: 'conflict', theirs });
  }

  #failed(e: unknown): void {
    const lasting = e instanceof Failure && e.status >= 400 && e.status < 500 && e.status !== 408 && e.status !== 429;
    if (lasting) {
      this.#state.set({ kind: 'refused', message: messageOf(e) });
      return;
    }
    this.#state.set({ kind: 'retrying', message: messageOf(e) });
    const asked = e instanceof Failure && e.retryAfter ? e.retryAfter * 1000 : 0;
    if (!this.#closed) this.#plan(Math.max(asked, Math.min(longest, quiet * 2 ** ++this.#failures)));
  }
}
