import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { Captions } from '../captions/useCaptions';
import { Button } from '../ui/Button';
import { Confirm } from '../ui/Confirm';
import { tell } from '../ui/toasts';
import type { Control } from '../video/Player';
import { reveal } from '../video/reveal';
import { caretAt, type Cue, fromApi, timesRefused, toApi } from './cues';
import { Conflict, Keys, Shift, Speakers } from './dialogs';
import { index, room, shiftable } from './model';
import { Row, type RowActions } from './Row';
import { SaveNote } from './SaveNote';
import { useEditor } from './useEditor';
import { type Warning, warningsOf } from './warnings';

interface Props {
  jobId: string;
  captions: Extract<Captions, { kind: 'ready' }>;
  /** The id of the caption on the screen. */
  current: number;
  control: { current: Control | null };
  seek: (ms: number) => void;
  onCues: (cues: readonly Cue[]) => void;
}

type Open = 'none' | 'keys' | 'shift' | 'speakers' | 'revert';

export function Editor({ jobId, captions, current, control, seek, onCues }: Props) {
  const { model, dispatch, save, autosave } = useEditor(jobId, captions);
  const [open, setOpen] = useState<Open>('none');
  const list = useRef<HTMLOListElement>(null);
  const latest = useRef(model);
  latest.current = model;

  useEffect(() => onCues(model.cues), [model.cues, onCues]);
  useEffect(() => {
    if (model.selected) reveal(list.current, model.selected);
  }, [model.selected]);
  useEffect(() => {
    if (current && !model.selected) reveal(list.current, current);
  }, [current, model.selected]);

  const warnings = useWarnings(model.cues, model.profile);
  const doubtful = useMemo(() => model.cues.filter((c) => warnings.get(c)!.length > 0), [model.cues, warnings]);
  const speakers = useMemo(() => [...new Set(model.cues.map((c) => c.speaker).filter((s) => s !== ''))], [model.cues]);

  const select = useCallback(
    (id: number) => {
      const cue = latest.current.cues.find((c) => c.id === id);
      if (cue) seek(cue.start);
      dispatch({ type: 'select', id });
    },
    [dispatch, seek],
  );

  const actions = useMemo((): RowActions => {
    const cueOf = (id: number) => latest.current.cues[index(latest.current, id)];
    return {
      select,
      text: (id, text) => dispatch({ type: 'text', id, text, at: Date.now() }),
      speaker: (id, speaker) => dispatch({ type: 'speaker', id, speaker, at: Date.now() }),
      times(id, start, end) {
        const refused = timesRefused(latest.current.cues, index(latest.current, id), start, end);
        if (!refused) dispatch({ type: 'times', id, start, end, at: Date.now() });
        return refused;
      },
      split(id, caret) {
        const cue = cueOf(id);
        if (!cue) return;
        const inside = caret !== null && cue.text.slice(0, caret).trim() !== '' && cue.text.slice(caret).trim() !== '';
        // A cursor at an edge says nothing, so the moment that is playing does.
        dispatch({ type: 'split', id, caret: inside ? caret : caretAt(cue, control.current?.time() ?? 0, latest.current.words) });
      },
      merge: (id) => dispatch({ type: 'merge', id }),
      add(id) {
        if (room(latest.current, id)) dispatch({ type: 'add', after: id });
        else tell('There is no room after this caption. End it earlier first.');
      },
      remove: (id) => dispatch({ type: 'remove', id }),
      here(id, side) {
        const cue = cueOf(id);
        const at = control.current?.time() ?? 0;
        const refused = cue && this.times(id, side === 'start' ? at : cue.start, side === 'end' ? at : cue.end);
        if (refused) tell(refused);
      },
    };
  }, [control, dispatch, select]);

  const step = (by: number) => {
    const i = index(model, model.selected);
    const from = i < 0 ? index(model, current) : i + by;
    const next = model.cues[Math.min(Math.max(from, 0), model.cues.length - 1)];
    if (next) select(next.id);
  };
  const nextWarning = () => {
    const i = index(model, model.selected);
    const next = doubtful.find((c) => index(model, c.id) > i) ?? doubtful[0];
    if (next) select(next.id);
  };
  const shift = (by: number, onlyFromHere: boolean) => {
    const from = onlyFromHere ? model.selected : 0;
    const possible = shiftable(model, by, from);
    dispatch({ type: 'shift', by, from });
    setOpen('none');
    tell(possible === by ? 'The captions are shifted.' : `Shifted by ${(possible / 1000).toFixed(1)} s only: further was no room.`);
  };

  const onKeyDown = (e: KeyboardEvent) => {
    if (document.querySelector('dialog[open]')) return;
    const mod = e.ctrlKey || e.metaKey;
    const { selected } = model;
    const area = e.target instanceof HTMLTextAreaElement ? e.target : null;
    const alt: Record<string, () => void> = {
      ArrowDown: () => step(1), ArrowUp: () => step(-1), KeyP: () => control.current?.toggle(), KeyW: nextWarning,
      ...(selected ? {
        KeyM: () => actions.merge(selected), KeyN: () => actions.add(selected), Delete: () => actions.remove(selected), Backspace: () => actions.remove(selected),
        KeyI: () => actions.here(selected, 'start'), KeyO: () => actions.here(selected, 'end'), KeyL: () => select(selected),
      } : {}),
    };
    let act: (() => void) | undefined;
    if (e.altKey && !mod) act = alt[e.code];
    else if (mod && !e.altKey) {
      act = {
        KeyZ: () => dispatch({ type: e.shiftKey ? 'redo' : 'undo' }), KeyY: () => dispatch({ type: 'redo' }), KeyS: () => void autosave.flush(),
        ...(selected ? { Enter: () => actions.split(selected, area?.selectionStart ?? null) } : {}),
      }[e.code];
    } else if (e.key === 'Escape' && selected) {
      act = () => {
        dispatch({ type: 'select', id: 0 });
        requestAnimationFrame(() => list.current?.querySelector<HTMLElement>(`[data-cue="${selected}"] button`)?.focus());
      };
    } else if (e.key === 'Backspace' && area && area.selectionStart === 0 && area.selectionEnd === 0) {
      const before = model.cues[index(model, selected) - 1];
      if (before) act = () => actions.merge(before.id);
    }
    if (!act) return;
    e.preventDefault();
    act();
  };
  const keys = useRef(onKeyDown);
  keys.current = onKeyDown;
  useEffect(() => {
    const press = (e: KeyboardEvent) => keys.current(e);
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);

  const original = captions.transcript.original;
  return (
    <section className="editor" aria-label="Editor">
      <div className="toolbar" role="toolbar" aria-label="Editing">
        <Button look="plain" icon="undo" label="Undo" keys="Ctrl+Z" disabled={model.past.length === 0} onClick={() => dispatch({ type: 'undo' })} />
        <Button look="plain" icon="redo" label="Redo" keys="Ctrl+Shift+Z" disabled={model.future.length === 0} onClick={() => dispatch({ type: 'redo' })} />
        <Button look="plain" icon="plus" label="Add a caption at the beginning" disabled={!room(model, 0)} onClick={() => dispatch({ type: 'add', after: 0 })} />
        <Button look="plain" icon="shift" label="Shift captions" disabled={model.cues.length === 0} onClick={() => setOpen('shift')} />
        <Button look="plain" icon="people" label="Name the speakers" onClick={() => setOpen('speakers')} />
        <Button look="plain" icon="revert" label="Revert to what the engine heard" disabled={!original} onClick={() => setOpen('revert')} />
        <Button look="plain" icon="keyboard" label="Keys" onClick={() => setOpen('keys')} />
        {doubtful.length > 0 && <Button look="plain" icon="warning" className="to-check" keys="Alt+W" onClick={nextWarning}>{doubtful.length} to check</Button>}
        <SaveNote state={save} onSave={() => void autosave.flush()} />
      </div>
      <datalist id="speakers">{speakers.map((s) => <option key={s} value={s} />)}</datalist>
      {model.cues.length === 0 ? (
        <div className="nothing"><p>There are no captions.</p><Button icon="plus" onClick={() => dispatch({ type: 'add', after: 0 })}>Add the first</Button></div>
      ) : (
        <ol className="lines rows" ref={list} tabIndex={-1}>
          {model.cues.map((c, i) => (
            <Row
              key={c.id} cue={c} number={i + 1} selected={c.id === model.selected} current={c.id === current} last={i === model.cues.length - 1}
              warnings={warnings.get(c)!} profile={model.profile} actions={actions}
            />
          ))}
        </ol>
      )}
      {open === 'keys' && <Keys onClose={() => setOpen('none')} />}
      {open === 'shift' && <Shift selected={model.selected !== 0} onShift={shift} onClose={() => setOpen('none')} />}
      {open === 'speakers' && <Speakers names={speakers} onRename={(from, to) => dispatch({ type: 'rename', from, to })} onClose={() => setOpen('none')} />}
      {open === 'revert' && original && (
        <Confirm
          title="Revert to what the engine heard?" yes="Revert" onClose={() => setOpen('none')}
          onYes={() => {
            dispatch({ type: 'replace', cues: fromApi(original) });
            setOpen('none');
          }}
        >
          <p>All your changes to these captions are taken back. Undo brings them back for as long as the editor is open.</p>
        </Confirm>
      )}
      {save.kind === 'conflict' && (
        <Conflict
          mine={toApi(model.cues)} theirs={save.theirs.cues}
          onMine={() => void autosave.keepMine()}
          onTheirs={() => {
            const theirs = autosave.takeTheirs();
            if (theirs) dispatch({ type: 'replace', cues: fromApi(theirs.cues) });
          }}
        />
      )}
    </section>
  );
}

/** The warnings of each caption, worked out again only for those that changed or whose neighbour did. */
function useWarnings(cues: readonly Cue[], profile: Parameters<typeof warningsOf>[2]): ReadonlyMap<Cue, readonly Warning[]> {
  const cache = useRef(new WeakMap<Cue, { before: Cue | undefined; warnings: readonly Warning[] }>());
  return useMemo(() => {
    const out = new Map<Cue, readonly Warning[]>();
    cues.forEach((cue, i) => {
      const before = cues[i - 1];
      let known = cache.current.get(cue);
      if (!known || known.before !== before) {
        const fresh = warningsOf(cue, before, profile);
        // The same findings stay the same list, so that the row need not be drawn again.
        const same = known && fresh.length === known.warnings.length && fresh.every((w, n) => w.message === known!.warnings[n]!.message);
        known = { before, warnings: same ? known!.warnings : fresh };
        cache.current.set(cue, known);
      }
      out.set(cue, known.warnings);
    });
    return out;
  }, [cues, profile]);
}
