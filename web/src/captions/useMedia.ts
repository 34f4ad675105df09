import { useCallback, useEffect, useState } from 'react';
import { api, must } from '../api/client';
import { Failure, isAbort } from '../api/failure';

export type Media = { kind: 'loading' } | { kind: 'ready'; url: string; expires: number } | { kind: 'gone' } | { kind: 'failed'; error: unknown };

/** The address that plays a video. It lasts for some time only; `renew` gets another. */
export function useMedia(uploadId: string | undefined, wanted = true): { media: Media; renew: () => void } {
  const [media, setMedia] = useState<Media>({ kind: 'loading' });
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (!uploadId || !wanted) return;
    const stop = new AbortController();
    must(api.GET('/api/v1/uploads/{id}', { params: { path: { id: uploadId } }, signal: stop.signal }))
      .then((u) => setMedia(u.media_url ? { kind: 'ready', url: u.media_url, expires: Date.parse(u.media_expires_at ?? '') || Infinity } : { kind: 'gone' }))
      .catch((e: unknown) => {
        if (isAbort(e)) return;
        setMedia(e instanceof Failure && e.status === 404 ? { kind: 'gone' } : { kind: 'failed', error: e });
      });
    return () => stop.abort();
  }, [uploadId, wanted, round]);
  return { media, renew: useCallback(() => setRound((n) => n + 1), []) };
}
