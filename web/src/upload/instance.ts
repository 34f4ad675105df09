import { libraryChanged } from '../library/useLibrary';
import { edge, waiting } from './browser';
import { Uploads } from './uploads';

/** The uploads of this page. They go on while the user moves between screens. */
export const uploads = new Uploads({
  edge,
  waiting,
  now: () => performance.now(),
  unique: () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, '0')).join(''),
  done: libraryChanged,
});

// A page that goes away in the middle asks first. Nothing is lost: the same file goes on later.
addEventListener('beforeunload', (e) => {
  if (uploads.store.get().some((v) => ['starting', 'sending', 'finishing'].includes(v.stage))) e.preventDefault();
});
