import { type Profile, width } from './profile';

const blank = /\s+/u;

/** Puts text on one line where it fits, else on as many as the profile allows, of similar length and the upper one not much longer. */
export function arrange(text: string, p: Profile): string {
  const words = text.trim().split(blank).filter((w) => w !== '');
  const whole = words.join(' ');
  if (width(whole) <= p.maxLine || p.maxLines < 2) return whole;
  let best = whole;
  let least = Infinity;
  for (let i = 1; i < words.length; i++) {
    const upper = words.slice(0, i).join(' ');
    const lower = words.slice(i).join(' ');
    const [a, b] = [width(upper), width(lower)];
    const over = Math.max(0, a - p.maxLine) + Math.max(0, b - p.maxLine);
    // A line that ends with punctuation is a good place, and a pyramid reads better than a funnel.
    const cost = over * 1000 + Math.abs(a - b) + (a > b ? 2 : 0) - (/[,.;:!?]$/.test(upper) ? 8 : 0);
    if (cost < least) {
      least = cost;
      best = `${upper}\n${lower}`;
    }
  }
  return best;
}
