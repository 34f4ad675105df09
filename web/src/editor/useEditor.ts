import { useEffect, useMemo, useReducer, useRef, useState } from 'react';
import { type Captions, loadTranscript, saveTranscript, type Stored } from '../captions/useCaptions';
import { Failure } from '../api/failure';
import { useStore } from '../ui/store';
import { complain, tell } from '../ui/toasts';
import { Autosave, type SaveState } from './autosave';
import { fromApi, toApi, wordsOf } from './cues';
import { draftOf, draftsOf } from './drafts';
import { type Action, begin, type Model, reduce } from './model';
import { profileNamed } from './profile';

type Ready = Extract<Captions, { kind: 'ready' }>;

export interface EditorState {
  model: Model;
  dispatch: (a: Action) => void;
  save: SaveState;
  autosave: Autosave;
}

/** How often a visible page looks whether somebody else has changed the captions. */
const every = 15_000;

/** The captions of a job, while they are edited: what can be undone, and what is stored. */
export function useEditor(jobId: string, captions: Ready): EditorState {
  const take = useRef(captions.take);
  take.current = captions.take;

  const [initial] = useState(() => {
    const { transcript, version, cues } = captions;
    const model = begin(cues, wordsOf(transcript), profileNamed(transcript.profile), Math.round(transcript.duration * 1000));
    const draft = draftOf(jobId);
    if (!draft) return { model, version, draft: null };
    // A draft of an older version is saved over that one, which the server refuses: so the user is asked.
    const base = draft.etag === version.etag ? version : { etag: draft.etag, cues: version.cues };
    return { model: reduce(model, { type: 'replace', cues: fromApi(draft.cues) }), version: base, draft };
  });
  const [model, dispatch] = useReducer(reduce, initial.model);

  const autosave = useMemo(
    () =>
      new Autosave(
        initial.version,
        { load: () => loadTranscript(jobId), save: (etag, cues) => saveTranscript(jobId, etag, cues) },
        draftsOf(jobId),
        { set: (work, ms) => window.setTimeout(work, ms), clear: (t) => clearTimeout(t) },
        (v) => take.current(v as Stored),
      ),
    [initial, jobId],
  );
  const save = useStore(autosave.state);

  useEffect(() => {
    if (initial.draft) tell('Changes that were not saved yet are back.');
  }, [initial]);
  useEffect(() => autosave.change(toApi(model.cues)), [autosave, model.cues]);

  useEffect(() => {
    const look = () => {
      if (document.hidden) return;
      autosave
        .look()
        .then((theirs) => {
          if (!theirs) return;
          dispatch({ type: 'load', cues: fromApi(theirs.cues) });
          take.current(theirs as Stored);
          tell('These captions were changed elsewhere. You see the newest version now.');
        })
        .catch(() => undefined); // Whoever saves next hears of it.
    };
    const timer = setInterval(look, every);
    const ask = (e: BeforeUnloadEvent) => {
      if (autosave.state.get().kind === 'saved') return;
      void autosave.flush();
      e.preventDefault();
    };
    document.addEventListener('visibilitychange', look);
    addEventListener('focus', look);
    addEventListener('beforeunload', ask);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
      removeEventListener('focus', look);
      removeEventListener('beforeunload', ask);
    };
  }, [autosave]);

  const left = useRef(false);
  useEffect(() => {
    left.current = false;
    return () => {
      left.current = true;
      // React mounts components twice while developing; only a real end leaves the editor.
      setTimeout(() => {
        if (!left.current) return;
        void autosave
          .flush()
          .then(() => {
            const state = autosave.state.get();
            if (state.kind === 'saved') return;
            const why = 'message' in state ? ` ${state.message}` : '';
            complain(new Failure(`Your last changes are not saved yet. Open the editor again to save them.${why}`, 0, 'unsaved'));
          })
          .finally(() => autosave.close());
      });
    };
  }, [autosave]);

  return { model, dispatch, save, autosave };
}
