import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ApiCue } from '../api/client';
import { Failure } from '../api/failure';
import { Autosave, type Version } from './autosave';

const cue = (text: string): ApiCue[] => [{ start: 1, end: 2, text }];

/** The stored captions, with versions, as the server keeps them. */
class Shelf {
  version = 1;
  cues: readonly ApiCue[] = cue('first');
  saves = 0;
  before: () => void | Promise<void> = () => undefined;
  after: () => void = () => undefined;
  current = (): Version => ({ etag: `"${this.version}"`, cues: this.cues });
  load = async () => this.current();
  save = async (etag: string, cues: readonly ApiCue[]) => {
    await this.before();
    if (etag !== `"${this.version}"`) throw new Failure('changed', 412, 'transcript_changed');
    this.saves++;
    this.version++;
    this.cues = cues;
    this.after();
    return this.current();
  };
}

let shelf: Shelf;
let draft: unknown;
const open = () =>
  new Autosave(shelf.current(), shelf, { keep: (d) => (draft = d), drop: () => (draft = null) }, {
    set: (work, ms) => setTimeout(work, ms) as unknown as number,
    clear: (t) => clearTimeout(t),
  });
const kind = (a: Autosave) => a.state.get().kind;

beforeEach(() => {
  shelf = new Shelf();
  draft = null;
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

describe('autosave', () => {
  it('saves once, a second after the last change', async () => {
    const a = open();
    a.change(cue('f'));
    await vi.advanceTimersByTimeAsync(900);
    a.change(cue('fi'));
    expect(draft).toEqual({ etag: '"1"', cues: cue('fi') });
    await vi.advanceTimersByTimeAsync(900);
    expect(shelf.saves).toBe(0);
    await vi.advanceTimersByTimeAsync(200);
    expect(shelf).toMatchObject({ saves: 1, cues: cue('fi') });
    expect(kind(a)).toBe('saved');
    expect(draft).toBeNull();
  });

  it('saves what was typed while it saved', async () => {
    const a = open();
    shelf.before = () => a.change(cue('second'));
    a.change(cue('first and'));
    await vi.advanceTimersByTimeAsync(1000);
    shelf.before = () => undefined;
    expect(kind(a)).toBe('unsaved');
    await vi.advanceTimersByTimeAsync(1000);
    expect(shelf.cues).toEqual(cue('second'));
    expect(kind(a)).toBe('saved');
  });

  it('tries again for as long as the server is away', async () => {
    const a = open();
    shelf.before = () => {
      throw new Failure('away', 0, 'unreachable');
    };
    a.change(cue('x'));
    await vi.advanceTimersByTimeAsync(120_000);
    expect(a.state.get()).toEqual({ kind: 'retrying', message: 'away' });
    expect(draft).not.toBeNull();
    shelf.before = () => undefined;
    await vi.advanceTimersByTimeAsync(16_000);
    expect(kind(a)).toBe('saved');
  });

  it('stops at a refusal until something changes', async () => {
    const a = open();
    shelf.before = () => {
      throw new Failure('Cue 1 is wrong.', 400, 'bad_cues');
    };
    a.change(cue('x'));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(a.state.get()).toEqual({ kind: 'refused', message: 'Cue 1 is wrong.' });
    shelf.before = () => undefined;
    a.change(cue('y'));
    await vi.advanceTimersByTimeAsync(1000);
    expect(kind(a)).toBe('saved');
  });
});

describe('two editors', () => {
  it('never overwrite each other silently, and mine wins only when I say so', async () => {
    const [a, b] = [open(), open()];
    a.change(cue('of a'));
    b.change(cue('of b'));
    await a.flush();
    await b.flush();
    expect(shelf.cues).toEqual(cue('of a'));
    expect(b.state.get()).toMatchObject({ kind: 'conflict', theirs: { cues: cue('of a') } });
    b.change(cue('of b, more'));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(shelf.cues).toEqual(cue('of a'));
    await b.keepMine();
    expect(shelf.cues).toEqual(cue('of b, more'));
    expect(kind(b)).toBe('saved');
  });

  it('can take the other version', async () => {
    const [a, b] = [open(), open()];
    a.change(cue('of a'));
    b.change(cue('of b'));
    await a.flush();
    await b.flush();
    expect(b.takeTheirs()?.cues).toEqual(cue('of a'));
    expect(kind(b)).toBe('saved');
    expect(draft).toBeNull();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(shelf.saves).toBe(1);
  });

  it('meet a third version between the question and the answer', async () => {
    const [a, b] = [open(), open()];
    a.change(cue('of a'));
    b.change(cue('of b'));
    await a.flush();
    await b.flush();
    a.change(cue('of a, later'));
    await a.flush();
    await b.keepMine();
    expect(shelf.cues).toEqual(cue('of a, later'));
    expect(b.state.get()).toMatchObject({ kind: 'conflict', theirs: { cues: cue('of a, later') } });
  });

  it('sees a newer version when it looks, and takes it over where nothing is unsaved', async () => {
    const [a, b] = [open(), open()];
    a.change(cue('of a'));
    await a.flush();
    expect((await b.look())?.cues).toEqual(cue('of a'));
    b.change(cue('of b'));
    await b.flush();
    expect(shelf.cues).toEqual(cue('of b'));
    a.change(cue('of a again'));
    expect(await a.look()).toBeNull();
    expect(kind(a)).toBe('conflict');
  });

  it('an answer that was asked for before a save and comes after it changes nothing', async () => {
    const a = open();
    let answer!: (v: Version) => void;
    const old = shelf.current();
    const load = shelf.load;
    shelf.load = () => new Promise((resolve) => (answer = resolve));
    const looked = a.look();
    a.change(cue('newer'));
    await a.flush();
    answer(old);
    expect(await looked).toBeNull();
    shelf.load = load;
    a.change(cue('newest'));
    await a.flush();
    expect(shelf.cues).toEqual(cue('newest'));
    expect(kind(a)).toBe('saved');
  });

  it('a lost answer to our own save is no conflict', async () => {
    const a = open();
    let lost = true;
    shelf.after = () => {
      if (!lost) return;
      lost = false;
      throw new Failure('away', 0, 'unreachable');
    };
    a.change(cue('x'));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(kind(a)).toBe('saved');
    expect(shelf.saves).toBe(1);
  });
});
