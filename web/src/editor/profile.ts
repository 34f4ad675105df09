/** A house style. The figures are those of internal/subtitle/profile.go; a test holds them together. */
export interface Profile {
  name: string;
  maxLines: number;
  maxLine: number;
  minDuration: number;
  maxDuration: number;
  minGap: number;
  maxSpeed: number;
}

export const profiles: readonly Profile[] = [
  { name: 'netflix', maxLines: 2, maxLine: 42, minDuration: 833, maxDuration: 7000, minGap: 83, maxSpeed: 20 },
  { name: 'bbc', maxLines: 2, maxLine: 37, minDuration: 1000, maxDuration: 7000, minGap: 80, maxSpeed: 17 },
  { name: 'plain', maxLines: 1, maxLine: 80, minDuration: 700, maxDuration: 8000, minGap: 0, maxSpeed: 25 },
];

export const profileNamed = (name: string): Profile => profiles.find((p) => p.name === name) ?? profiles[0]!;

const wide = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/u;

const characters = new Intl.Segmenter();
const ascii = /^[ -~]*$/;

/** The columns that a line takes: Chinese, Japanese and Korean characters take two. */
export function width(line: string): number {
  if (ascii.test(line)) return line.length;
  let n = 0;
  for (const { segment } of characters.segment(line)) n += wide.test(segment) ? 2 : 1;
  return n;
}
