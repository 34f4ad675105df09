import { beforeEach, describe, expect, it } from 'vitest';
import type { JobOptions, Upload } from '../api/client';
import { Failure } from '../api/failure';
import type { Edge } from './edge';
import { fingerprint } from './file';
import { Uploads } from './uploads';
import type { TransferView } from './transfer';

const partSize = 10;
const away = () => new Failure('away', 0, 'unreachable');

/** A server in memory, which keeps what arrives and fails when it is told to. */
class Server implements Edge {
  uploads = new Map<string, Upload & { bytes: Map<number, string> }>();
  jobs: { upload: string; key: string; options: JobOptions }[] = [];
  puts: number[] = [];
  running = 0;
  most = 0;
  /** Is called before each step, and may throw or wait. */
  before: (step: string, number?: number) => unknown = () => undefined;

  async find(mark: string) {
    await this.before('find');
    return [...this.uploads.values()].filter((u) => u.fingerprint === mark);
  }
  async create(name: string, size: number, mark: string) {
    await this.before('create');
    const id = `u${this.uploads.size + 1}`;
    const upload = { id, name, size, fingerprint: mark, state: 'uploading' as const, part_size: partSize, part_count: Math.ceil(size / partSize), created_at: '', bytes: new Map() };
    this.uploads.set(id, upload);
    return upload;
  }
  async get(id: string) {
    await this.before('get');
    const u = this.uploads.get(id);
    if (!u) throw new Failure('gone', 404, 'upload_not_found');
    return { ...u, parts: [...u.bytes].map(([number, text]) => ({ number, size: text.length })) };
  }
  async sign(id: string, numbers: number[]) {
    await this.before('sign', numbers[0]);
    if (!this.uploads.has(id)) throw new Failure('gone', 404, 'upload_not_found');
    return numbers.map((number) => ({ number, url: `${id}/${number}`, size: partSize }));
  }
  async put(url: string, body: Blob, progress: (n: number) => void, signal: AbortSignal) {
    const [id, number] = url.split('/') as [string, string];
    this.puts.push(Number(number));
    this.most = Math.max(this.most, ++this.running);
    try {
      progress(Math.floor(body.size / 2));
      await this.before('put', Number(number));
      signal.throwIfAborted();
      this.uploads.get(id)!.bytes.set(Number(number), await body.text());
    } finally {
      this.running--;
    }
  }
  async complete(id: string) {
    await this.before('complete');
    this.uploads.get(id)!.state = 'complete';
  }
  async remove(id: string) {
    this.uploads.delete(id);
  }
  async captioned(id: string) {
    return this.jobs.some((j) => j.upload === id);
  }
  async submit(upload: string, key: string, options: JobOptions) {
    await this.before('submit');
    if (!this.jobs.some((j) => j.key === key)) this.jobs.push({ upload, key, options });
    return { id: `job of ${upload}` };
  }
  content(id: string) {
    return [...this.uploads.get(id)!.bytes].sort(([a], [b]) => a - b).map(([, t]) => t).join('');
  }
}

const text = 'The quick brown fox jumps over the lazy dog, again and again.'; // seven parts
const film = (name = 'film.mp4', content = text) => new File([content], name, { type: 'video/mp4', lastModified: 1 });

let server: Server;
let pauses: number[];
let done: TransferView[];
const page = () =>
  new Uploads({
    edge: server,
    waiting: {
      pause: async (ms) => void pauses.push(ms),
      reachable: async (ms) => void pauses.push(ms),
      random: () => 1,
    },
    now: () => 0,
    unique: () => Math.random().toString(36),
    done: (v) => done.push(v),
  });

/** Resolves with the first view of the file for which `ready` is true. */
function until(uploads: Uploads, ready: (v: TransferView) => boolean, index = 0): Promise<TransferView> {
  return new Promise((resolve) => {
    const look = () => {
      const v = uploads.store.get()[index];
      if (!v || !ready(v)) return;
      stop();
      resolve(v);
    };
    const stop = uploads.store.subscribe(look);
    look();
  });
}
const at = (stage: TransferView['stage']) => (v: TransferView) => v.stage === stage;

/** A promise that others can settle. */
function gate() {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

beforeEach(() => {
  server = new Server();
  pauses = [];
  done = [];
});

describe('an upload', () => {
  it('sends every part once, completes, and asks for captions with the options', async () => {
    const uploads = page();
    uploads.add([film()], { language: 'en' });
    const view = await until(uploads, at('done'));
    expect(server.content('u1')).toBe(text);
    expect(server.puts.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(server.jobs).toEqual([{ upload: 'u1', key: 'u1', options: { language: 'en' } }]);
    expect(view).toMatchObject({ sent: text.length, jobId: 'job of u1', trouble: null });
    await expect.poll(() => done).toHaveLength(1);
  });

  it('has at most four parts on their way, over all files', async () => {
    const uploads = page();
    uploads.add([film('a.mp4'), film('b.mp4'), film('c.mp4')], {});
    await Promise.all([0, 1, 2].map((i) => until(uploads, at('done'), i)));
    expect(server.most).toBe(4);
    expect(server.jobs).toHaveLength(3);
  });

  it('goes on where an earlier page stopped, and sends again what arrived short', async () => {
    const u = await server.create('film.mp4', text.length, fingerprint(film()));
    server.uploads.get(u.id)!.bytes.set(1, text.slice(0, 10)).set(2, text.slice(10, 15));
    const uploads = page();
    uploads.add([film()], {});
    await until(uploads, at('done'));
    expect(server.puts.toSorted()).toEqual([2, 3, 4, 5, 6, 7]);
    expect(server.content('u1')).toBe(text);
    expect(server.uploads.size).toBe(1);
  });

  it('does not go on with another file of the same name', async () => {
    await server.create('film.mp4', 99, fingerprint(film()));
    const uploads = page();
    uploads.add([film()], {});
    await until(uploads, at('done'));
    expect(server.content('u2')).toBe(text);
  });

  it('tries again after errors of server and storage, ever more slowly', async () => {
    let errors = 3;
    server.before = (step, n) => {
      if (step === 'put' && n === 1 && errors-- > 0) throw new Failure('full', 503, 'storage');
    };
    const uploads = page();
    uploads.add([film()], {});
    await until(uploads, at('done'));
    expect(pauses).toEqual([500, 1000, 2000]);
    expect(server.content('u1')).toBe(text);
  });

  it('waits as long as the server asks', async () => {
    let errors = 1;
    server.before = (step) => {
      if (step === 'create' && errors-- > 0) throw new Failure('slowly', 429, 'rate_limited', 7);
    };
    const uploads = page();
    uploads.add([film()], {});
    await until(uploads, at('done'));
    expect(pauses).toEqual([7000]);
  });

  it('signs an address again that has expired', async () => {
    let expired = 1;
    let signs = 0;
    server.before = (step, n) => {
      if (step === 'sign' && n === 3) signs++;
      if (step === 'put' && n === 3 && expired-- > 0) throw new Failure('expired', 403, 'storage');
    };
    const uploads = page();
    uploads.add([film()], {});
    await until(uploads, at('done'));
    expect(signs).toBe(2);
  });

  it('waits for a lost network for as long as it takes, and says so', async () => {
    let losses = 50;
    server.before = (step) => {
      if (step === 'put' && losses-- > 0) throw away();
    };
    const uploads = page();
    const waited = until(uploads, (v) => v.trouble !== null);
    uploads.add([film()], {});
    expect((await waited).trouble).toMatch(/network/);
    expect((await until(uploads, at('done'))).trouble).toBeNull();
    expect(Math.max(...pauses)).toBe(30_000);
  });

  it('fails after many errors in a row, and goes on when it is asked to', async () => {
    let broken = true;
    server.before = (step, n) => {
      if (broken && step === 'put' && n === 5) throw new Failure('The disk is full.', 507, 'storage');
    };
    const uploads = page();
    uploads.add([film()], {});
    const failed = await until(uploads, at('failed'));
    expect(failed).toMatchObject({ trouble: 'The disk is full.', retryable: true });
    broken = false;
    const before = server.puts.length;
    uploads.resume(failed.key);
    await until(uploads, at('done'));
    expect(server.content('u1')).toBe(text);
    expect(server.puts.length - before).toBeLessThan(7);
  });

  it('starts over when the server has cleared it away', async () => {
    server.before = (step, n) => {
      if (step === 'sign' && n === 6 && server.uploads.has('u1')) {
        server.uploads.set('u9', server.uploads.get('u1')!);
        server.uploads.get('u9')!.fingerprint = 'another';
        server.uploads.delete('u1');
      }
    };
    const uploads = page();
    uploads.add([film()], {});
    const view = await until(uploads, at('done'));
    expect(view.uploadId).not.toBe('u1');
    expect(server.content(view.uploadId!)).toBe(text);
  });
});

describe('the storage', () => {
  it('has lost what was sent, and gets it once more', async () => {
    let lost = true;
    server.before = (step) => {
      if (step === 'complete' && lost) {
        lost = false;
        throw new Failure('The storage does not know it any more.', 409, 'upload_lost');
      }
    };
    const uploads = page();
    uploads.add([film()], {});
    const view = await until(uploads, at('done'));
    expect([...server.uploads.keys()]).toEqual([view.uploadId]);
    expect(server.content(view.uploadId!)).toBe(text);
    expect(server.puts).toHaveLength(14);
  });
});

describe('a refusal', () => {
  it('of the server comes before any byte, with its reason', async () => {
    server.before = (step) => {
      if (step === 'create') throw new Failure('The file has 2 GB; at most 1 GB is possible here.', 413, 'too_large');
    };
    const uploads = page();
    uploads.add([film()], {});
    expect(await until(uploads, at('failed'))).toMatchObject({ trouble: 'The file has 2 GB; at most 1 GB is possible here.', retryable: false });
    expect(server.puts).toEqual([]);
  });

  it.each([
    ['an empty file', film('film.mp4', ''), /empty/],
    ['a picture', new File([new Uint8Array([0x89, 0x50, 0x4e, 0x47, 1])], 'film.mp4'), /PNG/],
    ['a text', new File(['words'], 'notes.txt', { type: 'text/plain' }), /text\/plain/],
  ])('of %s comes before any request', async (_, file, reason) => {
    let requests = 0;
    server.before = () => void requests++;
    const uploads = page();
    uploads.add([file], {});
    expect((await until(uploads, at('failed'))).trouble).toMatch(reason);
    expect(requests).toBe(0);
  });
});

describe('the user', () => {
  it('pauses and goes on without losing the parts that have arrived', async () => {
    const fourth = gate();
    server.before = (step, n) => (step === 'put' && n! >= 4 ? fourth.opened : undefined);
    const uploads = page();
    uploads.add([film()], {});
    const { key } = await until(uploads, (v) => v.sent >= 30);
    uploads.pause(key);
    expect(uploads.store.get()[0]).toMatchObject({ stage: 'paused', speed: null });
    fourth.open();
    server.puts = [];
    uploads.resume(key);
    await until(uploads, at('done'));
    expect(server.content('u1')).toBe(text);
    expect(server.puts).not.toContain(1);
    expect(server.jobs).toHaveLength(1);
  });

  it('cancels, and the server forgets what was sent', async () => {
    const never = gate();
    server.before = (step) => (step === 'put' ? never.opened : undefined);
    const uploads = page();
    uploads.add([film()], {});
    const { key } = await until(uploads, at('sending'));
    await uploads.cancel(key);
    never.open();
    expect(uploads.store.get()[0]).toMatchObject({ stage: 'cancelled' });
    expect(server.uploads.size).toBe(0);
    expect(server.jobs).toEqual([]);
  });

  it('adds the same file twice and gets one upload', async () => {
    const uploads = page();
    uploads.add([film(), film()], {});
    await until(uploads, at('done'));
    expect(uploads.store.get()).toHaveLength(1);
  });

  it('asks again for captions of a file that was sent, and nothing is sent twice', async () => {
    const first = page();
    first.add([film()], {});
    await until(first, at('done'));
    server.puts = [];
    const second = page();
    second.add([film()], { profile: 'bbc' });
    await until(second, at('done'));
    expect(server.puts).toEqual([]);
    expect(server.jobs.map((j) => j.upload)).toEqual(['u1', 'u1']);
  });

  it('gets one job although the answer to the request was lost', async () => {
    let lost = 1;
    const submit = server.submit.bind(server);
    server.submit = async (...args) => {
      const job = await submit(...args);
      if (lost-- > 0) throw away();
      return job;
    };
    const uploads = page();
    uploads.add([film()], {});
    await until(uploads, at('done'));
    expect(server.jobs).toHaveLength(1);
  });
});
