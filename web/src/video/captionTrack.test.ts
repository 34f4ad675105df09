import { expect, it } from 'vitest';
import { lastStarted, shownAt } from './captionTrack';

const cues = [[1000, 2000], [2500, 3000], [3000, 4000]].map(([start, end], i) => ({ id: i + 1, start: start!, end: end!, text: 'x', speaker: '' }));

it('knows which caption is on the screen', () => {
  expect([0, 999, 1000, 1999, 2000, 2600, 3000, 9000].map((t) => shownAt(cues, t))).toEqual([0, 0, 1, 1, 0, 2, 3, 0]);
  expect([0, 1000, 2200, 2500, 9000].map((t) => lastStarted(cues, t))).toEqual([-1, 0, 0, 1, 2]);
  expect(shownAt([], 5)).toBe(0);
});
