import { api, must, type Upload } from '../api/client';
import { reachable, reportReachable } from '../api/connection';
import { Failure, unreachable } from '../api/failure';
import type { Edge } from './edge';
import type { Waiting } from './retry';

/** A part that makes no progress for so long is given up and sent again. */
const stall = 45_000;

/** The network as a browser has it. */
export const edge: Edge = {
  async find(fingerprint) {
    const { uploads } = await must(api.GET('/api/v1/uploads', { params: { query: { fingerprint } } }));
    return uploads;
  },
  create: (name, size, fingerprint) => must(api.POST('/api/v1/uploads', { body: { name, size, fingerprint } })),
  get: (id) => must(api.GET('/api/v1/uploads/{id}', { params: { path: { id } } })),
  async sign(id, numbers) {
    const { parts } = await must(api.POST('/api/v1/uploads/{id}/parts', { params: { path: { id } }, body: { numbers } }));
    return parts;
  },
  put,
  async complete(id) {
    await must(api.POST('/api/v1/uploads/{id}/complete', { params: { path: { id } } }));
  },
  async remove(id) {
    await must(api.DELETE('/api/v1/uploads/{id}', { params: { path: { id } } }));
  },
  async captioned(id) {
    const { captions } = await must(api.GET('/api/v1/captions', { params: { query: { upload_id: id, limit: 1 } } }));
    return captions.length > 0;
  },
  submit: (uploadId, key, options) =>
    must(api.POST('/api/v1/captions', { params: { header: { 'Idempotency-Key': key } }, body: { upload_id: uploadId, ...options } })),
};

/** Sends one part. XMLHttpRequest, because fetch does not tell how much has been sent. */
function put(url: string, body: Blob, progress: (bytes: number) => void, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const x = new XMLHttpRequest();
    let watch = 0;
    const alive = () => {
      clearTimeout(watch);
      watch = window.setTimeout(() => x.abort(), stall);
    };
    const stop = () => x.abort();
    const end = (settle: () => void) => {
      clearTimeout(watch);
      signal.removeEventListener('abort', stop);
      settle();
    };
    x.open('PUT', url);
    x.upload.onprogress = (e) => {
      alive();
      progress(e.loaded);
    };
    x.onload = () =>
      end(() => {
        reportReachable();
        if (x.status < 300) resolve();
        else reject(new Failure(`The storage answered ${x.status} to a part of the video.`, x.status, 'storage'));
      });
    x.onerror = () => end(() => reject(unreachable()));
    x.onabort = () => end(() => reject(signal.aborted ? new DOMException('stopped', 'AbortError') : unreachable()));
    signal.addEventListener('abort', stop);
    alive();
    x.send(body);
  });
}

export const waiting: Waiting = {
  pause: (ms, signal) =>
    new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end);
      if (signal.aborted) end();
    }),
  reachable,
  random: Math.random,
};

/** Uploads that were begun and not ended, in this page or an earlier one. */
export async function unfinished(): Promise<Upload[]> {
  const { uploads } = await must(api.GET('/api/v1/uploads', { params: { query: { state: 'uploading' } } }));
  return uploads;
}
