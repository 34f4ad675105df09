import type { JobOptions, Upload } from '../api/client';
import { Failure, messageOf } from '../api/failure';
import type { Edge } from './edge';
import { fingerprint, objection } from './file';
import type { Limit } from './limit';
import { Meter } from './meter';
import { persist, type Waiting } from './retry';

export type Stage = 'waiting' | 'starting' | 'sending' | 'finishing' | 'paused' | 'done' | 'failed' | 'cancelled';

/** One file on its way, as the page shows it. */
export interface TransferView {
  key: string;
  name: string;
  size: number;
  stage: Stage;
  sent: number;
  /** Bytes a second; null while not known. */
  speed: number | null;
  /** Seconds; null while not known. */
  left: number | null;
  /** What keeps it waiting now, or why it failed. */
  trouble: string | null;
  /** Whether a failed one can be tried again. */
  retryable: boolean;
  uploadId: string | null;
  jobId: string | null;
}

export interface TransferDeps {
  edge: Edge;
  waiting: Waiting;
  /** Bounds the parts on their way over all files. */
  limit: Limit;
  now(): number;
  changed(): void;
}

/** Parallel parts of one file; [TransferDeps.limit] bounds those of all files. */
const parallel = 4;

/** Sends one file in parts, however often it is interrupted, and asks for its captions. */
export class Transfer {
  view: TransferView;
  #stop = new AbortController();
  #upload: Upload | undefined;
  /** Whether the whole file had been sent before this transfer began. */
  #found = false;
  /** The upload that this transfer completed. */
  #completed = '';
  /** Bytes that have arrived, or are on their way, of each part. */
  #parts = new Map<number, number>();
  #meter = new Meter();

  constructor(
    readonly file: File,
    readonly options: JobOptions,
    key: string,
    private readonly deps: TransferDeps,
  ) {
    this.view = {
      key, name: file.name, size: file.size, stage: 'waiting', sent: 0, speed: null, left: null, trouble: null,
      retryable: false, uploadId: null, jobId: null,
    };
  }

  get active(): boolean {
    return ['starting', 'sending', 'finishing'].includes(this.view.stage);
  }

  /** Runs until the captions are asked for, or something stops it. It may be run again after a pause or a failure. */
  async run(): Promise<void> {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.#show({ stage: 'starting', trouble: null, retryable: false });
    try {
      const reason = await objection(this.file);
      if (reason) {
        this.#show({ stage: 'failed', trouble: reason, retryable: false });
        return;
      }
      let again = false;
      const upload = await this.#begin(signal);
      try {
        await this.#send(upload, signal);
      } catch (e) {
        // An upload that waited for too long is cleared away by the server, or lost by the storage: it starts over, once.
        const lost = e instanceof Failure && e.code === 'upload_lost';
        if (!lost && !(e instanceof Failure && e.status === 404)) throw e;
        if (lost) await this.deps.edge.remove(upload.id);
        again = true;
      }
      if (again) {
        this.#upload = undefined;
        await this.#send(await this.#begin(signal), signal);
      }
      await this.#finish(signal);
    } catch (e) {
      if (signal.aborted) return; // Whoever stopped it has said what it is now.
      this.#stop.abort();
      const refused = e instanceof Failure && (e.status === 413 || e.status === 400);
      this.#show({ stage: 'failed', trouble: messageOf(e), retryable: !refused, speed: null, left: null });
    }
  }

  pause(): void {
    this.#stop.abort();
    this.#show({ stage: 'paused', speed: null, left: null, trouble: null });
  }

  queue(): void {
    this.#show({ stage: 'waiting', trouble: null });
  }

  /** Stops, and takes back what was sent. */
  async cancel(): Promise<void> {
    this.#stop.abort();
    this.#show({ stage: 'cancelled', speed: null, left: null, trouble: null });
    const id = this.#upload?.id;
    if (!id || this.#upload?.state === 'complete') return;
    await this.deps.edge.remove(id).catch(() => undefined); // The server clears stale uploads away by itself.
  }

  /** Finds the earlier upload of the same file, or begins one. */
  async #begin(signal: AbortSignal): Promise<Upload> {
    const { edge } = this.deps;
    const mark = fingerprint(this.file);
    const upload = await this.#persist(signal, async () => {
      const known = (this.#upload ? [this.#upload] : await edge.find(mark)).find((u) => u.size === this.file.size);
      // A number of parts comes only with the one upload.
      if (known) return edge.get(known.id).catch((e: unknown) => this.#create(e, mark));
      return this.#create(null, mark);
    });
    signal.throwIfAborted();
    this.#upload = upload;
    this.#parts.clear();
    for (const p of upload.parts ?? []) {
      if (p.size === this.#sizeOf(upload, p.number)) this.#parts.set(p.number, p.size);
    }
    this.#found = upload.state === 'complete' && this.#completed !== upload.id;
    if (upload.state === 'complete') this.#parts.set(1, this.file.size);
    this.#meter.reset();
    this.#show({ uploadId: upload.id });
    return upload;
  }

  #create(e: unknown, mark: string): Promise<Upload> {
    if (e && !(e instanceof Failure && e.status === 404)) throw e;
    return this.deps.edge.create(this.file.name.slice(-200), this.file.size, mark);
  }

  async #send(upload: Upload, signal: AbortSignal): Promise<void> {
    this.#progress();
    if (upload.state === 'complete') return;
    this.#show({ stage: 'sending' });
    const open = Array.from({ length: upload.part_count }, (_, i) => i + 1).filter((n) => !this.#parts.has(n));
    // The first one that fails for good stops the others.
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    const worker = async () => {
      for (let n = open.shift(); n !== undefined; n = open.shift()) await this.#sendPart(upload, n, both);
    };
    try {
      await Promise.all(Array.from({ length: parallel }, worker));
    } catch (e) {
      stop.abort();
      throw e;
    }
    await this.#persist(signal, () => this.deps.edge.complete(upload.id));
    this.#upload = { ...upload, state: 'complete' };
    this.#completed = upload.id;
  }

  async #sendPart(upload: Upload, number: number, signal: AbortSignal): Promise<void> {
    await this.deps.limit.run(async () => {
      const size = this.#sizeOf(upload, number);
      const from = (number - 1) * upload.part_size;
      await persist(
        async () => {
          const [part] = await this.deps.edge.sign(upload.id, [number]);
          if (!part) throw new Failure('The server gave no address for a part. Try again.', 500, 'unexpected');
          try {
            await this.deps.edge.put(part.url, this.file.slice(from, from + size), (bytes) => this.#progress(number, bytes), signal);
          } catch (e) {
            this.#progress(number, 0);
            await this.#readable();
            throw e;
          }
          this.#progress(number, size);
        },
        { ofStorage: true, signal, waiting: this.deps.waiting, notice: (e) => this.#notice(e) },
      );
    });
  }

  /** A file that was changed or taken away looks like a broken network; here it is told apart. */
  async #readable(): Promise<void> {
    try {
      await this.file.slice(0, 1).arrayBuffer();
    } catch {
      throw new Failure('The file cannot be read any more. Was it moved or changed? Choose it again.', 400, 'file_unreadable');
    }
  }

  async #finish(signal: AbortSignal): Promise<void> {
    const upload = this.#upload!;
    this.#show({ stage: 'finishing', sent: this.file.size, speed: null, left: null });
    const job = await this.#persist(signal, async () => {
      // Asking twice for the first captions of an upload must make one job; asking for others later is meant.
      const key = this.#found && (await this.deps.edge.captioned(upload.id)) ? `${upload.id}/${this.view.key}` : upload.id;
      return this.deps.edge.submit(upload.id, key, this.options);
    });
    this.#show({ stage: 'done', jobId: job.id, trouble: null });
  }

  #persist<T>(signal: AbortSignal, step: () => Promise<T>): Promise<T> {
    return persist(step, { signal, waiting: this.deps.waiting, notice: (e) => this.#notice(e) });
  }

  #notice(e: Failure | null): void {
    if (!this.active) return;
    if (e) this.#meter.reset();
    const trouble = e && (e.status === 0 ? 'Waiting for the network. It goes on by itself.' : `${e.message} It tries again by itself.`);
    this.#show({ trouble, ...(e ? { speed: null, left: null } : {}) });
  }

  #sizeOf(upload: Upload, number: number): number {
    return Math.min(upload.part_size, upload.size - (number - 1) * upload.part_size);
  }

  #progress(number?: number, bytes?: number): void {
    if (number !== undefined && bytes !== undefined) this.#parts.set(number, bytes);
    if (!this.active) return;
    let sent = 0;
    for (const n of this.#parts.values()) sent += n;
    this.#meter.note(sent, this.deps.now());
    const speed = this.#meter.speed();
    this.#show({ sent: Math.min(sent, this.file.size), speed, left: speed ? (this.file.size - sent) / speed : null });
  }

  #show(change: Partial<TransferView>): void {
    this.view = { ...this.view, ...change };
    this.deps.changed();
  }
}
