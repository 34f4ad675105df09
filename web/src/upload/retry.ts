import { Failure, isAbort } from '../api/failure';

/** What to do about a failure of one step of an upload. */
export type Verdict = 'stop' | 'again' | 'when reachable' | 'sign again';

/** What a failed request means. `ofStorage` tells that the storage answered, whose refusals mean that an address is not valid any more. */
export function judge(e: unknown, ofStorage: boolean): Verdict {
  if (!(e instanceof Failure)) return 'stop';
  if (e.status === 0) return 'when reachable';
  if (e.status >= 500 || e.status === 408 || e.status === 429) return 'again';
  if (ofStorage && (e.status === 400 || e.status === 403)) return 'sign again';
  return 'stop';
}

export interface Waiting {
  /** Resolves after so many milliseconds, or early when the signal aborts. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** Resolves when the network seems to be back, after so many milliseconds at the latest. */
  reachable(ms: number, signal: AbortSignal): Promise<void>;
  random(): number;
}

/** How long to wait before try number `n`, counted from 0: twice as long each time, up to half a minute, and never in step with others. */
export function backOff(n: number, random: number): number {
  return Math.min(30_000, 500 * 2 ** n) * (0.5 + random / 2);
}

/** How many answers in a row may be errors of the server before the user is asked. A lost network counts as none: it is waited for. */
export const maxTries = 8;

/** Does a step until it succeeds, fails for good, or the signal aborts. `notice` hears of each wait, and of its end (null). */
export async function persist<T>(
  step: (tries: number) => Promise<T>,
  options: { ofStorage?: boolean; signal: AbortSignal; waiting: Waiting; notice?: (e: Failure | null) => void },
): Promise<T> {
  const { signal, waiting, notice } = options;
  for (let tries = 0, lost = 0; ; ) {
    signal.throwIfAborted();
    try {
      const result = await step(tries);
      if (tries + lost > 0) notice?.(null);
      return result;
    } catch (e) {
      if (isAbort(e) || signal.aborted) throw e;
      const verdict = judge(e, options.ofStorage ?? false);
      if (verdict === 'stop') throw e;
      notice?.(e as Failure);
      if (verdict === 'when reachable') {
        await waiting.reachable(backOff(lost++, waiting.random()), signal);
        continue;
      }
      if (++tries >= maxTries) throw e;
      const asked = (e as Failure).retryAfter;
      await waiting.pause(asked ? asked * 1000 : backOff(tries - 1, waiting.random()), signal);
    }
  }
}
