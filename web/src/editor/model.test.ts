import { describe, expect, it } from 'vitest';
import { fromApi, caretAt, toApi, type Cue } from './cues';
import { arrange } from './lines';
import { begin, type Action, type Model, reduce, room } from './model';
import { profileNamed } from './profile';

const netflix = profileNamed('netflix');
const cues = (): Cue[] =>
  fromApi([
    { start: 1, end: 3, text: 'The quick brown fox' },
    { start: 3.5, end: 5, text: 'jumps over', speaker: 'Ada' },
    { start: 8, end: 10, text: 'the lazy dog.', speaker: 'Bob' },
  ]);
const words = [
  ['The', 1.0], ['quick', 1.2], ['brown', 2.3], ['fox', 2.6],
].map(([text, start]) => ({ text: text as string, start: (start as number) * 1000, end: (start as number) * 1000 + 150 }));
const model = () => begin(cues(), words, netflix, 12_000);
const run = (m: Model, ...actions: Action[]) => actions.reduce(reduce, m);
const texts = (m: Model) => m.cues.map((c) => c.text);
const times = (m: Model) => m.cues.map((c) => [c.start, c.end]);

describe('editing', () => {
  it('undoes typing in one field as one step, and steps of different fields one by one', () => {
    let m = run(model(), { type: 'text', id: 1, text: 'T', at: 0 }, { type: 'text', id: 1, text: 'Th', at: 500 }, { type: 'text', id: 2, text: 'leaps', at: 900 });
    m = run(m, { type: 'undo' });
    expect(texts(m)).toEqual(['Th', 'jumps over', 'the lazy dog.']);
    m = run(m, { type: 'undo' });
    expect(texts(m)[0]).toBe('The quick brown fox');
    expect(run(m, { type: 'undo' })).toBe(m);
    m = run(m, { type: 'redo' }, { type: 'redo' });
    expect(texts(m)).toEqual(['Th', 'leaps', 'the lazy dog.']);
  });

  it('begins a new step after a pause, and forgets what was undone once something changes', () => {
    let m = run(model(), { type: 'text', id: 1, text: 'a', at: 0 }, { type: 'text', id: 1, text: 'b', at: 5000 }, { type: 'undo' });
    expect(texts(m)[0]).toBe('a');
    m = run(m, { type: 'text', id: 3, text: 'c', at: 6000 });
    expect(run(m, { type: 'redo' })).toBe(m);
  });

  it('splits where the word is spoken, leaves the gap of the profile, and goes on with the second half', () => {
    const m = run(model(), { type: 'split', id: 1, caret: 10 });
    expect(texts(m)).toEqual(['The quick', 'brown fox', 'jumps over', 'the lazy dog.']);
    expect(times(m).slice(0, 2)).toEqual([[1000, 2217], [2300, 3000]]);
    expect(m.selected).toBe(m.cues[1]!.id);
    expect(new Set(m.cues.map((c) => c.id)).size).toBe(4);
    expect(run(m, { type: 'undo' }).cues).toEqual(cues());
  });

  it('splits in proportion where the words were edited, and not at the edges of the text', () => {
    const m = run(model(), { type: 'split', id: 3, caret: 8 });
    expect(times(m)[3]![0]).toBeCloseTo(8000 + (2000 * 8) / 12, -1);
    expect(m.cues[3]!.speaker).toBe('Bob');
    const same = model();
    expect(run(same, { type: 'split', id: 1, caret: 0 })).toBe(same);
    expect(run(same, { type: 'split', id: 1, caret: 19 })).toBe(same);
  });

  it('finds the word that is spoken at a moment', () => {
    expect(caretAt(cues()[0]!, 2290, words)).toBe(10);
    expect(caretAt(cues()[0]!, 0, words)).toBe(4);
    expect(caretAt(cues()[2]!, 9900, words)).toBe(9);
  });

  it('merges with the next, on as few lines as fit', () => {
    const m = run(model(), { type: 'merge', id: 1 });
    expect(m.cues[0]).toMatchObject({ start: 1000, end: 5000, text: 'The quick brown fox jumps over', speaker: 'Ada' });
    expect(run(m, { type: 'merge', id: 3 })).toBe(m);
  });

  it('adds where there is room, and nowhere else', () => {
    const m = run(model(), { type: 'add', after: 2 });
    expect(times(m)[2]).toEqual([5083, 7083]);
    expect(m.selected).toBe(m.cues[2]!.id);
    expect(times(run(model(), { type: 'add', after: 0 }))[0]).toEqual([0, 917]);
    expect(times(run(model(), { type: 'add', after: 3 }))[3]).toEqual([10083, 12000]);
    const full = begin(fromApi([{ start: 0, end: 1, text: 'a' }, { start: 1, end: 2, text: 'b' }]), [], netflix, 2000);
    expect(room(full, 1)).toBeNull();
    expect(run(full, { type: 'add', after: 1 })).toBe(full);
  });

  it('deletes and selects the next', () => {
    expect(run(model(), { type: 'remove', id: 2 }).selected).toBe(3);
    expect(run(model(), { type: 'remove', id: 3 }).selected).toBe(2);
  });

  it('refuses times that overlap or turn round', () => {
    const m = model();
    for (const [start, end] of [[2900, 4000], [3500, 8001], [4000, 4050], [4000, 3000]] as const) {
      expect(run(m, { type: 'times', id: 2, start, end, at: 0 })).toBe(m);
    }
    expect(times(run(m, { type: 'times', id: 2, start: 3000, end: 8000, at: 0 }))[1]).toEqual([3000, 8000]);
  });

  it('shifts all, or from one on, and never before the video or over another', () => {
    expect(times(run(model(), { type: 'shift', by: 250, from: 0 }))[2]).toEqual([8250, 10250]);
    expect(times(run(model(), { type: 'shift', by: -5000, from: 0 }))[0]).toEqual([0, 2000]);
    expect(times(run(model(), { type: 'shift', by: -5000, from: 3 }))).toEqual([[1000, 3000], [3500, 5000], [5000, 7000]]);
  });

  it('names a speaker everywhere', () => {
    expect(run(model(), { type: 'rename', from: 'Bob', to: 'Ada' }).cues.map((c) => c.speaker)).toEqual(['', 'Ada', 'Ada']);
  });

  it('reverts as one step that can be undone', () => {
    const edited = run(model(), { type: 'text', id: 1, text: 'x', at: 0 });
    const m = run(edited, { type: 'replace', cues: cues() });
    expect(toApi(m.cues)).toEqual(toApi(cues()));
    expect(texts(run(m, { type: 'undo' }))[0]).toBe('x');
  });

  it('stores no empty captions and no blank lines', () => {
    const m = run(model(), { type: 'text', id: 1, text: ' \n', at: 0 }, { type: 'text', id: 2, text: ' a \n\n b', at: 0 });
    expect(toApi(m.cues)).toEqual([{ start: 3.5, end: 5, text: 'a\nb', speaker: 'Ada' }, { start: 8, end: 10, text: 'the lazy dog.', speaker: 'Bob' }]);
  });
});

it('never breaks the order, whatever is done', () => {
  let seed = 7;
  const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
  let m = model();
  for (let i = 0; i < 3000; i++) {
    const id = m.cues[random(Math.max(1, m.cues.length))]?.id ?? 0;
    const actions: Action[] = [
      { type: 'split', id, caret: random(20) }, { type: 'merge', id }, { type: 'add', after: random(4) ? id : 0 }, { type: 'remove', id },
      { type: 'shift', by: random(4000) - 2000, from: random(2) ? id : 0 }, { type: 'times', id, start: random(12_000), end: random(14_000), at: i },
      { type: 'text', id, text: 'some words to split again', at: i }, { type: 'undo' }, { type: 'redo' },
    ];
    m = reduce(m, actions[random(actions.length)]!);
    m.cues.forEach((c, n) => {
      expect(c.end).toBeGreaterThan(c.start);
      expect(c.start).toBeGreaterThanOrEqual(m.cues[n - 1]?.end ?? 0);
      expect(Number.isInteger(c.start) && Number.isInteger(c.end)).toBe(true);
    });
    expect(new Set(m.cues.map((c) => c.id)).size).toBe(m.cues.length);
  }
});

it('arranges lines by length and sense', () => {
  expect(arrange('short\ntext', netflix)).toBe('short text');
  expect(arrange('When the rain had stopped, we walked home along the river', netflix)).toBe('When the rain had stopped,\nwe walked home along the river');
  expect(arrange('Supercalifragilisticexpialidocious-and-much-longer', netflix)).toBe('Supercalifragilisticexpialidocious-and-much-longer');
});
