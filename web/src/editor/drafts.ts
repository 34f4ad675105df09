import type { ApiCue } from '../api/client';
import type { Drafts } from './autosave';

interface Draft {
  etag: string;
  cues: readonly ApiCue[];
}

const key = (jobId: string) => `captions-draft-${jobId}`;

/** What is not saved yet, in the storage of this tab: it survives a reload, and other tabs have their own. */
export function draftsOf(jobId: string): Drafts {
  return {
    keep(draft) {
      try {
        sessionStorage.setItem(key(jobId), JSON.stringify(draft));
      } catch {
        // The browser has no room. The page asks before it goes away with unsaved changes.
      }
    },
    drop: () => sessionStorage.removeItem(key(jobId)),
  };
}

export function draftOf(jobId: string): Draft | null {
  try {
    return JSON.parse(sessionStorage.getItem(key(jobId)) ?? 'null') as Draft | null;
  } catch {
    return null;
  }
}
