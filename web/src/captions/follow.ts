import { api, type EventMessage, isEnded, must } from '../api/client';
import { Failure, isAbort } from '../api/failure';
import { waiting } from '../upload/browser';
import { backOff } from '../upload/retry';

/** One connection; settles when it has ended, however that came about. */
type Way = (path: string, signal: AbortSignal, hear: (m: EventMessage) => void) => Promise<void>;

/**
 * Hears every change of a job until it ends or the signal aborts, over as many connections as it takes. Some proxies let no
 * WebSocket through: after a connection that brought nothing, the next one goes the other way.
 */
export async function follow(id: string, hear: (m: EventMessage) => void, signal: AbortSignal): Promise<void> {
  let way: Way = bySocket;
  let ended = false;
  for (let tries = 0; !ended && !signal.aborted; tries++) {
    try {
      const { ticket } = await must(api.POST('/api/v1/captions/{id}/events/ticket', { params: { path: { id } }, signal }));
      let heard = false;
      await way(`/api/v1/captions/${id}/events?ticket=${encodeURIComponent(ticket)}`, signal, (m) => {
        tries = 0;
        heard = true;
        ended = isEnded(m.job.state);
        hear(m);
      });
      if (!heard) way = way === bySocket ? byStream : bySocket;
    } catch (e) {
      if (isAbort(e) || (e instanceof Failure && (e.status === 404 || e.code === 'signed_out'))) return;
    }
    if (!ended) await waiting.reachable(backOff(tries, Math.random()), signal);
  }
}

const bySocket: Way = (path, signal, hear) =>
  new Promise((resolve) => {
    const socket = new WebSocket(location.origin.replace(/^http/, 'ws') + path);
    const stop = () => socket.close();
    socket.onmessage = (m: MessageEvent<string>) => {
      if (!signal.aborted) hear(JSON.parse(m.data) as EventMessage);
    };
    socket.onclose = () => {
      signal.removeEventListener('abort', stop);
      resolve();
    };
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });

const byStream: Way = (path, signal, hear) =>
  new Promise((resolve) => {
    const stream = new EventSource(path);
    const stop = () => {
      // Closing also keeps the browser from connecting again by itself, with a ticket that is used up.
      stream.close();
      signal.removeEventListener('abort', stop);
      resolve();
    };
    stream.onmessage = (m: MessageEvent<string>) => {
      if (!signal.aborted) hear(JSON.parse(m.data) as EventMessage);
    };
    stream.onerror = stop;
    stream.addEventListener('end', stop);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
