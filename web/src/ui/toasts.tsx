import { messageOf, isAbort } from '../api/failure';
import { Button } from './Button';
import { createStore, useStore } from './store';

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

const store = createStore<readonly Toast[]>([]);
let ids = 0;

const drop = (id: number) => store.set(store.get().filter((t) => t.id !== id));

function show(text: string, bad: boolean): void {
  const id = ++ids;
  store.set([...store.get().filter((t) => t.text !== text), { id, text, bad }].slice(-3));
  // What went wrong stays until it was read.
  if (!bad) setTimeout(() => drop(id), 5000);
}

export const tell = (text: string): void => show(text, false);

/** Shows what went wrong and what to do about it. */
export function complain(e: unknown): void {
  if (isAbort(e)) return;
  show(messageOf(e), true);
}

/** Makes something that a user asked for into a handler that complains where it fails. */
export const attempt =
  <A extends unknown[]>(work: (...args: A) => Promise<unknown>) =>
  (...args: A): void =>
    void work(...args).catch(complain);

export function Toasts() {
  const toasts = useStore(store);
  return (
    <>
      <div className="toasts" role="status" aria-live="polite">
        {toasts.filter((t) => !t.bad).map((t) => <p key={t.id} className="toast">{t.text}</p>)}
      </div>
      <div className="toasts bad" role="alert">
        {toasts.filter((t) => t.bad).map((t) => (
          <div key={t.id} className="toast bad">
            <p>{t.text}</p>
            <Button look="plain" icon="close" label="Dismiss" onClick={() => drop(t.id)} />
          </div>
        ))}
      </div>
    </>
  );
}
