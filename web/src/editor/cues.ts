import type { ApiCue, Transcript } from '../api/client';
import { arrange } from './lines';
import type { Profile } from './profile';

/** A caption in the editor: times in milliseconds, and an id that stays while everything about it changes. */
export interface Cue {
  id: number;
  start: number;
  end: number;
  text: string;
  speaker: string;
}

export interface TimedWord {
  text: string;
  start: number;
  end: number;
}

const ms = (seconds: number) => Math.round(seconds * 1000);

export const fromApi = (cues: readonly ApiCue[], firstId = 1): Cue[] =>
  cues.map((c, i) => ({ id: firstId + i, start: ms(c.start), end: ms(c.end), text: c.text, speaker: c.speaker ?? '' }));

export const wordsOf = (t: Transcript): TimedWord[] => t.words.map((w) => ({ text: w.text, start: ms(w.start), end: ms(w.end) }));

/** What is stored. Empty captions are left out, because no player shows them. */
export const toApi = (cues: readonly Cue[]): ApiCue[] =>
  cues
    .filter((c) => c.text.trim() !== '')
    .map((c) => {
      const text = c.text.split('\n').map((l) => l.trim()).filter((l) => l !== '').join('\n');
      const times = { start: c.start / 1000, end: c.end / 1000, text };
      return c.speaker.trim() ? { ...times, speaker: c.speaker.trim() } : times;
    });

export const sameCues = (a: readonly ApiCue[], b: readonly ApiCue[]): boolean =>
  a.length === b.length &&
  a.every((c, i) => {
    const d = b[i]!;
    return ms(c.start) === ms(d.start) && ms(c.end) === ms(d.end) && c.text === d.text && (c.speaker ?? '') === (d.speaker ?? '');
  });

/** The shortest time that a caption may have here. */
export const shortest = 100;

/** Why a caption cannot have these times, or null where it can. */
export function timesRefused(cues: readonly Cue[], index: number, start: number, end: number): string | null {
  const before = cues[index - 1];
  const after = cues[index + 1];
  if (start < 0) return 'A caption cannot start before the video.';
  if (end - start < shortest) return 'The end must be at least 0.1 s after the start.';
  if (before && start < before.end) return 'This overlaps the caption before it. Change that one first, or choose a later start.';
  if (after && end > after.start) return 'This overlaps the next caption. Change that one first, or choose an earlier end.';
  return null;
}

/** Splits a caption at a place in its text, at the moment when the word there is spoken, as far as that is known. */
export function splitCue(cue: Cue, caret: number, words: readonly TimedWord[], profile: Profile, id: number): [Cue, Cue] | null {
  const left = cue.text.slice(0, caret).trim();
  const right = cue.text.slice(caret).trim();
  if (!left || !right || cue.end - cue.start < 2 * shortest) return null;
  const at = spokenAt(cue, left, right, words);
  const gap = Math.min(profile.minGap, Math.max(0, at - cue.start - shortest));
  return [
    { ...cue, end: at - gap, text: arrange(left, profile) },
    { ...cue, id, start: at, text: arrange(right, profile) },
  ];
}

function spokenAt(cue: Cue, left: string, right: string, words: readonly TimedWord[]): number {
  const count = (s: string) => s.split(/\s+/u).filter((w) => w !== '').length;
  const spoken = words.filter((w) => w.start < cue.end && w.end > cue.start);
  const first = spoken[count(left)];
  const known = first && spoken.length === count(left) + count(right);
  const at = known ? first.start : cue.start + Math.round(((cue.end - cue.start) * left.length) / (left.length + right.length));
  return Math.min(Math.max(at, cue.start + shortest), cue.end - shortest);
}

/** The place in a caption's text of the word that is spoken at a moment, for splitting there. */
export function caretAt(cue: Cue, at: number, words: readonly TimedWord[]): number {
  const starts = [...cue.text.matchAll(/\S+/gu)].map((m) => m.index);
  if (starts.length < 2) return 0;
  const spoken = words.filter((w) => w.start < cue.end && w.end > cue.start);
  let n: number;
  if (spoken.length === starts.length) {
    const next = spoken.findIndex((w) => w.start >= at);
    n = next < 0 ? starts.length - 1 : next;
  } else {
    n = Math.round(((at - cue.start) / (cue.end - cue.start)) * starts.length);
  }
  return starts[Math.min(Math.max(n, 1), starts.length - 1)]!;
}

export const mergeCues = (a: Cue, b: Cue, profile: Profile): Cue => ({
  ...a,
  end: b.end,
  text: arrange(`${a.text} ${b.text}`, profile),
  speaker: a.speaker || b.speaker,
});
