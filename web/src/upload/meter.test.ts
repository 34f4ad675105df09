import { expect, it } from 'vitest';
import { Meter } from './meter';
import { backOff } from './retry';

it('measures the last seconds only', () => {
  const m = new Meter(1000);
  m.note(0, 0);
  expect(m.speed()).toBeNull();
  for (let t = 500; t <= 5000; t += 500) m.note(t, t); // 1000 bytes a second
  expect(m.speed()).toBeCloseTo(1000);
  for (let t = 5500; t <= 8000; t += 500) m.note(5000 + (t - 5000) / 10, t);
  expect(m.speed()).toBeCloseTo(100);
});

it('begins anew where a part is sent again', () => {
  const m = new Meter();
  m.note(1000, 0);
  m.note(2000, 1000);
  m.note(1500, 2000);
  expect(m.speed()).toBeNull();
});

it('backs off to half a minute, and not in step', () => {
  expect([0, 1, 2, 10].map((n) => backOff(n, 1))).toEqual([500, 1000, 2000, 30_000]);
  expect(backOff(3, 0)).toBe(2000);
});
