/** Times are whole milliseconds here, because sums of fractions of seconds drift. */

const two = (n: number) => String(n).padStart(2, '0');

/** 75250 as 1:15.250, for editing. */
export function stamp(ms: number): string {
  const s = Math.floor(ms / 1000);
  return `${s >= 3600 ? `${Math.floor(s / 3600)}:` : ''}${s >= 3600 ? two(Math.floor(s / 60) % 60) : Math.floor(s / 60)}:${two(s % 60)}.${String(ms % 1000).padStart(3, '0')}`;
}

/** 75250 as 1:15, for reading. */
export function clock(ms: number): string {
  return stamp(Math.max(0, Math.floor(ms / 1000) * 1000)).slice(0, -4);
}

/** Reads what people type for a time: 75.25, 1:15.25, 0:01:15,250. Null where it is no time. */
export function parseTime(text: string): number | null {
  const m = /^\s*(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,6})(?:[.,](\d{1,3}))?\s*$/.exec(text);
  if (!m) return null;
  const [, h = '0', min = '0', s = '0', fraction = ''] = m;
  if (m[2] !== undefined && Number(s) > 59) return null;
  if (m[1] !== undefined && Number(min) > 59) return null;
  return (Number(h) * 3600 + Number(min) * 60 + Number(s)) * 1000 + Number(fraction.padEnd(3, '0'));
}

/** Reads a shift: as a time, with a sign. */
export function parseShift(text: string): number | null {
  const m = /^\s*([+\-−]?)\s*(.+)$/.exec(text);
  if (!m) return null;
  const ms = parseTime(m[2]!);
  return ms === null ? null : m[1] === '-' || m[1] === '−' ? -ms : ms;
}
