import { useCallback, useEffect, useState } from 'react';
import { api, isEnded, type Job, must } from '../api/client';
import { isAbort } from '../api/failure';
import { type Cue, fromApi } from '../editor/cues';
import { follow } from './follow';

export interface Followed {
  job: Job | null;
  /** Captions of the segments that are done, while the job runs. */
  live: readonly Cue[];
  error: unknown;
  /** Takes over a newer state, or loads the job again. */
  refresh: (job?: Job) => void;
}

/** A job, kept up to date while it runs. */
export function useJob(id: string): Followed {
  const [job, setJob] = useState<Job | null>(null);
  const [live, setLive] = useState<readonly Cue[]>([]);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);

  useEffect(() => {
    const stop = new AbortController();
    const segments = new Map<number, Cue[]>();
    setError(null);
    const take = (next: Job) => setJob((now) => (now && now.id === next.id && now.seq > next.seq ? now : next));
    const work = async () => {
      const first = await must(api.GET('/api/v1/captions/{id}', { params: { path: { id } }, signal: stop.signal }));
      take(first);
      if (isEnded(first.state)) return;
      await follow(
        id,
        (m) => {
          take(m.job);
          for (const s of m.segments) segments.set(s.index, fromApi(s.cues, 1 + s.index * 100_000));
          if (m.segments.length > 0) setLive([...segments].sort(([a], [b]) => a - b).flatMap(([, cues]) => cues));
        },
        stop.signal,
      );
    };
    work().catch((e: unknown) => !isAbort(e) && setError(e));
    return () => stop.abort();
  }, [id, round]);

  const refresh = useCallback((next?: Job) => {
    if (next) setJob(next);
    setRound((n) => n + 1);
  }, []);
  return { job, live, error, refresh };
}
