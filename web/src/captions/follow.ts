import { api, type EventMessage, isEnded, must } from '../api/client';
import { Failure, isAbort } from '../api/failure';
import { waiting } from '../upload/browser';
import { backOff } from '../upload/retry';

/** Hears every change of a job until it ends or the signal aborts, over as many connections as it takes. */
export async function follow(id: string, hear: (m: EventMessage) => void, signal: AbortSignal): Promise<void> {
  let ended = false;
  for (let tries = 0; !ended && !signal.aborted; tries++) {
    try {
      const { ticket } = await must(api.POST('/api/v1/captions/{id}/events/ticket', { params: { path: { id } }, signal }));
      await listen(id, ticket, signal, (m) => {
        tries = 0;
        ended = isEnded(m.job.state);
        hear(m);
      });
    } catch (e) {
      if (isAbort(e) || (e instanceof Failure && (e.status === 404 || e.code === 'signed_out'))) return;
    }
    if (!ended) await waiting.reachable(backOff(tries, Math.random()), signal);
  }
}

function listen(id: string, ticket: string, signal: AbortSignal, hear: (m: EventMessage) => void): Promise<void> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/api/v1/captions/${id}/events?ticket=${encodeURIComponent(ticket)}`);
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
}
