import { type Profile, width } from './profile';

/** Something that a viewer may stumble over. It stops nothing. */
export interface Warning {
  code: 'empty' | 'too_many_lines' | 'line_length' | 'too_short' | 'too_long' | 'reading_speed' | 'short_gap';
  message: string;
}

interface Timed {
  start: number;
  end: number;
  text: string;
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(ms % 100 ? 2 : 1)} s`;

/** Characters a second that a viewer of this cue must read. */
export function readingSpeed(cue: Timed): number {
  const columns = lines(cue.text).reduce((n, line) => n + width(line), 0);
  return (columns * 1000) / Math.max(cue.end - cue.start, 1);
}

const lines = (text: string) => text.split('\n').map((l) => l.trim()).filter((l) => l !== '');

export function warningsOf(cue: Timed, before: Timed | undefined, p: Profile): Warning[] {
  const out: Warning[] = [];
  const warn = (code: Warning['code'], message: string) => out.push({ code, message });
  const shown = cue.end - cue.start;
  const text = lines(cue.text);
  if (text.length === 0) warn('empty', 'No text yet. An empty caption is not saved.');
  if (text.length > p.maxLines) warn('too_many_lines', `${text.length} lines; at most ${p.maxLines} ${p.maxLines === 1 ? 'is' : 'are'} easy to read.`);
  for (const line of text) {
    const n = width(line);
    if (n > p.maxLine) warn('line_length', `A line of ${n} characters; at most ${p.maxLine} fit.`);
  }
  if (shown < p.minDuration) warn('too_short', `Shown for ${seconds(shown)}; at least ${seconds(p.minDuration)} are needed.`);
  if (shown > p.maxDuration) warn('too_long', `Shown for ${seconds(shown)}; at most ${seconds(p.maxDuration)} are usual.`);
  const speed = readingSpeed(cue);
  if (speed > p.maxSpeed + 0.5) warn('reading_speed', `${Math.ceil(speed)} characters a second; viewers can follow ${p.maxSpeed}.`);
  if (before && cue.start - before.end < p.minGap) warn('short_gap', `Begins ${cue.start - before.end} ms after the caption before; leave ${p.minGap} ms.`);
  return out;
}
