import { createStore } from '../ui/store';

/** Files that were chosen or dropped, for which the options are being asked. */
export const chosen = createStore<readonly File[]>([]);

export function choose(files: Iterable<File>): void {
  const all = [...files];
  if (all.length > 0) chosen.set([...chosen.get(), ...all]);
}
