import { useCallback, useEffect, useRef, useState } from 'react';
import { api, isEnded, type JobState, type ListedJob, must } from '../api/client';
import { Failure, isAbort } from '../api/failure';
import { activeStates } from '../captions/states';
import { createStore, useStore } from '../ui/store';
import { type Sort, sorted } from './sort';

export interface Wish {
  q: string;
  states: readonly JobState[];
  sort: Sort;
}

export interface Library {
  jobs: readonly ListedJob[];
  /** Whether the first page is still on its way. */
  loading: boolean;
  more: boolean;
  error: unknown;
  loadMore: () => void;
  reload: () => void;
  /** Takes over a newer state of one job; null takes it off the list. */
  update: (id: string, job: ListedJob | null) => void;
}

const changes = createStore(0);
/** Tells that there are new jobs. */
export const libraryChanged = (): void => changes.set(changes.get() + 1);

const every = 2000;

/** The user's jobs: page by page, and those that run kept fresh. */
export function useLibrary(wish: Wish): Library {
  const changed = useStore(changes);
  const [jobs, setJobs] = useState<readonly ListedJob[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [loading, setLoading] = useState(true);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const busy = useRef(false);
  const { q, sort } = wish;
  const states = wish.states.join(',');

  const page = useCallback(
    (after: string | null, limit: number, signal?: AbortSignal) =>
      must(
        api.GET('/api/v1/captions', {
          params: { query: { limit, ...(q ? { q } : {}), ...(states ? { state: states.split(',') as JobState[] } : {}), ...(after ? { cursor: after } : {}) } },
          ...(signal ? { signal } : {}),
        }),
      ),
    [q, states],
  );

  useEffect(() => {
    const stop = new AbortController();
    setError(null);
    const load = async () => {
      const first = await page(null, sort === 'newest' ? 24 : 100, stop.signal);
      let all: readonly ListedJob[] = first.captions;
      let next = first.next_cursor;
      // The server lists the newest first; any other order needs the whole list.
      while (sort !== 'newest' && next) {
        const more = await page(next, 100, stop.signal);
        all = join(all, more.captions);
        next = more.next_cursor;
      }
      setJobs(all);
      setCursor(next);
    };
    load()
      .catch((e: unknown) => !isAbort(e) && setError(e))
      .finally(() => !stop.signal.aborted && setLoading(false));
    return () => stop.abort();
  }, [page, sort, round, changed]);

  const loadMore = useCallback(() => {
    if (!cursor || busy.current) return;
    busy.current = true;
    page(cursor, 24)
      .then((p) => {
        setJobs((now) => join(now, p.captions));
        setCursor(p.next_cursor);
      })
      .catch(setError)
      .finally(() => (busy.current = false));
  }, [cursor, page]);

  const update = useCallback(
    (id: string, job: ListedJob | null) =>
      setJobs((now) => (job === null ? now.filter((j) => j.id !== id) : now.map((j) => (j.id === id && j.seq <= job.seq ? { ...job, ...(j.hits ? { hits: j.hits } : {}) } : j)))),
    [],
  );

  const running = jobs.filter((j) => !isEnded(j.state)).map((j) => j.id).join(' ');
  useEffect(() => {
    if (!running) return;
    const stop = new AbortController();
    const look = async () => {
      if (document.hidden) return;
      const now = await must(api.GET('/api/v1/captions', { params: { query: { state: activeStates, limit: 100 } }, signal: stop.signal }));
      const active = new Map(now.captions.map((j) => [j.id, j]));
      for (const id of running.split(' ')) {
        const job = active.get(id) ?? (await one(id, stop.signal));
        if (stop.signal.aborted) return;
        update(id, job);
      }
    };
    let timer = 0;
    const again = () => {
      timer = window.setTimeout(() => void look().catch(() => undefined).finally(() => !stop.signal.aborted && again()), every);
    };
    again();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [running, update]);

  return {
    jobs: sorted(jobs, sort), loading, more: cursor !== null, error, loadMore, update,
    reload: useCallback(() => setRound((n) => n + 1), []),
  };
}

/** Pages may overlap where something was added in the meantime. */
function join(a: readonly ListedJob[], b: readonly ListedJob[]): readonly ListedJob[] {
  const known = new Set(a.map((j) => j.id));
  return [...a, ...b.filter((j) => !known.has(j.id))];
}

async function one(id: string, signal: AbortSignal): Promise<ListedJob | null> {
  try {
    return await must(api.GET('/api/v1/captions/{id}', { params: { path: { id } }, signal }));
  } catch (e) {
    if (e instanceof Failure && e.status === 404) return null;
    throw e;
  }
}
