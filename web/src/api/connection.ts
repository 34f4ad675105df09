import { createStore } from '../ui/store';

/** Whether the server can be reached. Requests report what they see; while it is away, a small request asks for it again and again. */
export type Connection = 'online' | 'offline' | 'unreachable';

const store = createStore<Connection>('online');
export const connection = { get: store.get, subscribe: store.subscribe };

let probing: ReturnType<typeof setTimeout> | undefined;

export function reportUnreachable(): void {
  store.set(navigator.onLine ? 'unreachable' : 'offline');
  probe();
}

export function reportReachable(): void {
  clearTimeout(probing);
  probing = undefined;
  store.set('online');
}

function probe(): void {
  if (probing !== undefined) return;
  probing = setTimeout(async () => {
    try {
      await fetch('/icon.svg', { method: 'HEAD', cache: 'no-store' });
      reportReachable();
    } catch {
      probing = undefined;
      reportUnreachable();
    }
  }, 2000);
}

/** Follows the browser's own knowledge of the network. */
export function watchConnection(): void {
  addEventListener('offline', () => reportUnreachable());
  addEventListener('online', () => {
    clearTimeout(probing);
    probing = undefined;
    probe();
  });
  if (!navigator.onLine) reportUnreachable();
}

/** Resolves when the server can be reached, or after `ms` at the latest, because the browser does not know every kind of return. */
export function reachable(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      stop();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const stop = store.subscribe(() => store.get() === 'online' && end());
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}
