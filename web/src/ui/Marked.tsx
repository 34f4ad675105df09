/** Text with the parts marked that were searched for. */
export function Marked({ text, parts }: { text: string; parts: RegExp | null }) {
  if (!parts) return <>{text}</>;
  const pieces = text.split(parts);
  // A pattern with one group puts what matched at the odd places.
  return <>{pieces.map((p, i) => (i % 2 ? <mark key={i}>{p}</mark> : p))}</>;
}

const escape = (s: string) => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** The words of a search, at the beginning of words. */
export function wordsPattern(q: string): RegExp | null {
  const words = q.match(/[\p{L}\p{N}]+/gu);
  return words ? new RegExp(`(?<![\\p{L}\\p{N}])(${words.map(escape).join('|')})`, 'giu') : null;
}

/** Exactly this text, with any white space for white space. */
export function textPattern(q: string): RegExp | null {
  const t = q.trim();
  return t ? new RegExp(`(${escape(t).replace(/\s+/g, '\\s+')})`, 'giu') : null;
}
