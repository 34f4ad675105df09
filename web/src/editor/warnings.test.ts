import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { profileNamed, profiles, width } from './profile';
import { parseShift, parseTime, stamp, clock } from './time';
import { warningsOf } from './warnings';

const codes = (start: number, end: number, text: string, before?: number) =>
  warningsOf({ start, end, text }, before === undefined ? undefined : { start: 0, end: before, text: 'x' }, profileNamed('netflix')).map((w) => w.code);

it('warns of what viewers stumble over', () => {
  expect(codes(1000, 3000, 'A good caption.', 900)).toEqual([]);
  expect(codes(1000, 3000, 'A good caption.', 950)).toEqual(['short_gap']);
  expect(codes(0, 500, 'Hm.')).toEqual(['too_short']);
  expect(codes(0, 7500, 'Hm.')).toEqual(['too_long']);
  expect(codes(0, 1000, 'x'.repeat(30))).toEqual(['reading_speed']);
  expect(codes(0, 5000, 'x'.repeat(43))).toEqual(['line_length']);
  expect(codes(0, 5000, 'a\nb\nc')).toEqual(['too_many_lines']);
  expect(codes(0, 2000, ' ')).toEqual(['empty']);
});

it('counts columns, not code units', () => {
  expect(width('naïve')).toBe(5);
  expect(width('字幕')).toBe(4);
  expect(width('👩‍👩‍👧')).toBe(1);
});

it('has the figures of the server', () => {
  const go = readFileSync(new URL('../../../internal/subtitle/profile.go', import.meta.url), 'utf8');
  const rows = [...go.matchAll(/\{Name: "(\w+)", MaxLines: (\d+), MaxLine: (\d+), MinDuration: (\d+), MaxDuration: (\d+), MinGap: (\d+), .*?MaxSpeed: (\d+),/g)];
  expect(rows.map(([, name, ...n]) => [name, ...n.map(Number)])).toEqual(
    profiles.map((p) => [p.name, p.maxLines, p.maxLine, p.minDuration, p.maxDuration, p.minGap, p.maxSpeed]),
  );
});

it('reads and writes times', () => {
  expect([stamp(0), stamp(75_250), stamp(3_600_001), stamp(36_061_007)]).toEqual(['0:00.000', '1:15.250', '1:00:00.001', '10:01:01.007']);
  expect([clock(999), clock(75_999), clock(3_661_000)]).toEqual(['0:00', '1:15', '1:01:01']);
  for (const t of [0, 75_250, 3_600_001, 36_061_007]) expect(parseTime(stamp(t))).toBe(t);
  expect(['75.25', ' 1:15,25 ', '0:01:15.250', '5'].map(parseTime)).toEqual([75_250, 75_250, 75_250, 5000]);
  for (const bad of ['', 'abc', '1:75', '1:60:00', '-1', '1.2345', '1:2:3:4']) expect(parseTime(bad)).toBeNull();
  expect(['-0.5', '+1:00', '2', '−3'].map(parseShift)).toEqual([-500, 60_000, 2000, -3000]);
});
