import { type Cue, mergeCues, shortest, splitCue, timesRefused, type TimedWord } from './cues';
import type { Profile } from './profile';

/** What the editor changes, with all that it takes to undo it. Everything here is pure. */
export interface Model {
  cues: readonly Cue[];
  /** The id of the caption that is edited; 0 for none. */
  selected: number;
  past: readonly Moment[];
  future: readonly Moment[];
  /** What the last change was: typing on in the same field is undone as one. */
  last: { kind: string; id: number; at: number } | null;
  nextId: number;
  words: readonly TimedWord[];
  profile: Profile;
  /** The length of the video in milliseconds. */
  duration: number;
}

interface Moment {
  cues: readonly Cue[];
  selected: number;
}

export type Action =
  | { type: 'select'; id: number }
  | { type: 'text'; id: number; text: string; at: number }
  | { type: 'speaker'; id: number; speaker: string; at: number }
  | { type: 'rename'; from: string; to: string }
  | { type: 'times'; id: number; start: number; end: number; at: number }
  | { type: 'split'; id: number; caret: number }
  | { type: 'merge'; id: number }
  | { type: 'add'; after: number }
  | { type: 'remove'; id: number }
  | { type: 'shift'; by: number; from: number }
  | { type: 'replace'; cues: readonly Cue[] }
  | { type: 'load'; cues: readonly Cue[] }
  | { type: 'undo' }
  | { type: 'redo' };

/** How many steps back are kept. */
const depth = 500;
/** Changes of one field within so many milliseconds of each other are one step. */
const together = 2000;

export function begin(cues: readonly Cue[], words: readonly TimedWord[], profile: Profile, duration: number): Model {
  return { cues, selected: 0, past: [], future: [], last: null, nextId: nextIdOf(cues), words, profile, duration };
}

const nextIdOf = (cues: readonly Cue[]) => cues.reduce((n, c) => Math.max(n, c.id), 0) + 1;

export function reduce(m: Model, a: Action): Model {
  switch (a.type) {
    case 'select':
      return m.selected === a.id ? m : { ...m, selected: a.id, last: null };
    case 'undo':
      return travel(m, m.past, 'past');
    case 'redo':
      return travel(m, m.future, 'future');
    case 'text':
      return edit(m, a.id, a.at, 'text', (c) => ({ ...c, text: a.text }));
    case 'speaker':
      return edit(m, a.id, a.at, 'speaker', (c) => ({ ...c, speaker: a.speaker }));
    case 'times': {
      const i = index(m, a.id);
      if (i < 0 || timesRefused(m.cues, i, a.start, a.end)) return m;
      return edit(m, a.id, a.at, 'times', (c) => ({ ...c, start: a.start, end: a.end }));
    }
    case 'rename':
      return change(m, m.cues.map((c) => (c.speaker === a.from ? { ...c, speaker: a.to } : c)));
    case 'split': {
      const i = index(m, a.id);
      const parts = i < 0 ? null : splitCue(m.cues[i]!, a.caret, m.words, m.profile, m.nextId);
      if (!parts) return m;
      return { ...change(m, m.cues.toSpliced(i, 1, ...parts), m.nextId), nextId: m.nextId + 1 };
    }
    case 'merge': {
      const i = index(m, a.id);
      const [one, two] = [m.cues[i], m.cues[i + 1]];
      if (!one || !two) return m;
      return change(m, m.cues.toSpliced(i, 2, mergeCues(one, two, m.profile)), one.id);
    }
    case 'add':
      return add(m, a.after);
    case 'remove': {
      const i = index(m, a.id);
      if (i < 0) return m;
      const cues = m.cues.toSpliced(i, 1);
      return change(m, cues, (cues[i] ?? cues[i - 1])?.id ?? 0);
    }
    case 'shift': {
      const by = shiftable(m, a.by, a.from);
      const first = Math.max(0, index(m, a.from));
      return by === 0 ? m : change(m, m.cues.map((c, i) => (i < first ? c : { ...c, start: c.start + by, end: c.end + by })));
    }
    case 'replace': {
      const cues = a.cues.map((c, i) => ({ ...c, id: m.nextId + i }));
      return { ...change(m, cues, 0), nextId: m.nextId + cues.length };
    }
    case 'load':
      return { ...m, cues: a.cues, selected: 0, past: [], future: [], last: null, nextId: nextIdOf(a.cues) };
  }
}

export const index = (m: Pick<Model, 'cues'>, id: number): number => (id === 0 ? -1 : m.cues.findIndex((c) => c.id === id));

/** How far captions from `from` on can be moved of what is asked: none may start before the video or run into the one before them. */
export function shiftable(m: Model, by: number, from: number): number {
  const first = Math.max(0, index(m, from));
  const start = m.cues[first]?.start;
  if (start === undefined) return 0;
  return Math.max(by, (m.cues[first - 1]?.end ?? 0) - start);
}

/** Where a new caption has room, after one or, for 0, before all. Null where there is none. */
export function room(m: Model, after: number): { at: number; start: number; end: number } | null {
  const i = index(m, after);
  const before = m.cues[i];
  const next = m.cues[i + 1];
  const from = before ? before.end + m.profile.minGap : 0;
  // Sound may go on after what counts as the length of the video.
  const to = next ? next.start - m.profile.minGap : m.duration - from >= 500 ? m.duration : from + 2000;
  if (to - from < shortest) return null;
  return { at: i + 1, start: from, end: Math.min(to, from + 2000) };
}

function add(m: Model, after: number): Model {
  const free = room(m, after);
  if (!free) return m;
  const cue: Cue = { id: m.nextId, start: free.start, end: free.end, text: '', speaker: m.cues[free.at - 1]?.speaker ?? '' };
  return { ...change(m, m.cues.toSpliced(free.at, 0, cue), cue.id), nextId: m.nextId + 1 };
}

function change(m: Model, cues: readonly Cue[], selected = m.selected): Model {
  return { ...m, cues, selected, past: [...m.past.slice(-depth + 1), { cues: m.cues, selected: m.selected }], future: [], last: null };
}

function edit(m: Model, id: number, at: number, kind: string, how: (c: Cue) => Cue): Model {
  const i = index(m, id);
  if (i < 0) return m;
  const cues = m.cues.with(i, how(m.cues[i]!));
  const goesOn = m.last?.kind === kind && m.last.id === id && at - m.last.at < together;
  const next = goesOn ? { ...m, cues, selected: id, future: [] } : change(m, cues, id);
  return { ...next, last: { kind, id, at } };
}

function travel(m: Model, from: readonly Moment[], side: 'past' | 'future'): Model {
  const moment = from.at(-1);
  if (!moment) return m;
  const here = { cues: m.cues, selected: m.selected };
  const sides = side === 'past' ? { past: m.past.slice(0, -1), future: [...m.future, here] } : { past: [...m.past, here], future: m.future.slice(0, -1) };
  return { ...m, ...moment, ...sides, last: null };
}
