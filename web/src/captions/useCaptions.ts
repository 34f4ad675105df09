import { useCallback, useEffect, useState } from 'react';
import { api, type ApiCue, type Transcript } from '../api/client';
import { failureOf, isAbort } from '../api/failure';
import type { Version } from '../editor/autosave';
import { type Cue, fromApi } from '../editor/cues';

export type Captions =
  | { kind: 'loading' }
  | { kind: 'failed'; error: unknown; reload: () => void }
  | {
      kind: 'ready';
      transcript: Transcript;
      version: Version;
      cues: readonly Cue[];
      /** Takes over what was stored meanwhile. */
      take: (v: Stored) => void;
    };

/** A stored version with all that came with it. */
export interface Stored extends Version {
  transcript: Transcript;
}

export async function loadTranscript(id: string, signal?: AbortSignal): Promise<Stored> {
  return stored(await api.GET('/api/v1/captions/{id}/transcript', { params: { path: { id } }, ...(signal ? { signal } : {}) }));
}

export async function saveTranscript(id: string, etag: string, cues: readonly ApiCue[]): Promise<Stored> {
  return stored(await api.PUT('/api/v1/captions/{id}/transcript', { params: { path: { id }, header: { 'If-Match': etag } }, body: { cues: [...cues] } }));
}

function stored({ data, error, response }: { data?: Transcript; error?: unknown; response: Response }): Stored {
  if (!data) throw failureOf(response, error);
  return { etag: response.headers.get('ETag') ?? `"${data.version}"`, cues: data.cues, transcript: data };
}

/** The finished captions of a job; null while it has none. */
export function useCaptions(jobId: string | null): Captions {
  const [captions, setCaptions] = useState<Captions>({ kind: 'loading' });
  const [round, setRound] = useState(0);
  const take = useCallback((v: Stored) => {
    setCaptions({ kind: 'ready', transcript: v.transcript, version: v, cues: fromApi(v.cues), take });
  }, []);
  useEffect(() => {
    setCaptions({ kind: 'loading' });
    if (!jobId) return;
    const stop = new AbortController();
    loadTranscript(jobId, stop.signal)
      .then((v) => !stop.signal.aborted && take(v))
      .catch((error: unknown) => !isAbort(error) && setCaptions({ kind: 'failed', error, reload: () => setRound((n) => n + 1) }));
    return () => stop.abort();
  }, [jobId, round, take]);
  return captions;
}
