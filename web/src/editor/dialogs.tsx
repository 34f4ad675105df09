import { type FormEvent, useState } from 'react';
import type { ApiCue } from '../api/client';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { plural } from '../ui/format';
import { clock, parseShift } from './time';

/** The keys of the editor, as they are listed and as they are tested. */
export const shortcuts: [string, string][] = [
  ['Alt+↓ / Alt+↑', 'Next or previous caption'],
  ['Ctrl+Enter', 'Split at the cursor'],
  ['Backspace', 'At the beginning of the text: merge with the caption before'],
  ['Alt+M', 'Merge with the next'],
  ['Alt+N', 'Add a caption after this one'],
  ['Alt+Delete', 'Delete the caption'],
  ['Alt+I / Alt+O', 'Start or end at the moment that is playing'],
  ['↑ / ↓ in a time', 'A tenth of a second; with Shift a second'],
  ['Alt+P', 'Play or pause'],
  ['Alt+L', 'Play from the start of the caption'],
  ['Alt+W', 'Next caption with a warning'],
  ['Ctrl+Z / Ctrl+Shift+Z', 'Undo, redo'],
  ['Ctrl+S', 'Save now'],
  ['Escape', 'Close the caption'],
];

export function Keys({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className="keys">
        {shortcuts.map(([keys, what]) => (
          <div key={keys}>
            <dt><kbd>{keys}</kbd></dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p className="quiet small">On a Mac, ⌘ does what Ctrl does and ⌥ what Alt does.</p>
    </Dialog>
  );
}

export function Shift({ selected, onShift, onClose }: { selected: boolean; onShift: (by: number, onlyFromHere: boolean) => void; onClose: () => void }) {
  const [text, setText] = useState('');
  const [fromHere, setFromHere] = useState(false);
  const [error, setError] = useState('');
  const submit = (e: FormEvent) => {
    e.preventDefault();
    const by = parseShift(text);
    if (by === null || by === 0) setError('Write seconds such as 0.5 or -1.2, or a time such as 1:30.');
    else onShift(by, fromHere && selected);
  };
  return (
    <Dialog title="Shift captions" onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <label className="field">
          <span>By how many seconds? Later is positive, earlier is negative.</span>
          <input autoFocus value={text} inputMode="text" placeholder="-0.5" aria-invalid={error !== ''} onChange={(e) => setText(e.target.value)} />
        </label>
        <p className="form-error" role="alert">{error}</p>
        {selected && (
          <label className="check">
            <input type="checkbox" checked={fromHere} onChange={(e) => setFromHere(e.target.checked)} />
            <span>Only from the open caption on</span>
          </label>
        )}
        <div className="row end">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit">Shift</Button>
        </div>
      </form>
    </Dialog>
  );
}

export function Speakers({ names, onRename, onClose }: { names: readonly string[]; onRename: (from: string, to: string) => void; onClose: () => void }) {
  const [wish, setWish] = useState<Record<string, string>>({});
  const submit = (e: FormEvent) => {
    e.preventDefault();
    for (const [from, to] of Object.entries(wish)) if (to.trim() !== from) onRename(from, to.trim());
    onClose();
  };
  return (
    <Dialog title="Name the speakers" onClose={onClose}>
      {names.length === 0 ? (
        <p>No speaker is named yet. Open a caption and write who speaks; the name can be changed everywhere at once from here.</p>
      ) : (
        <form className="stack" onSubmit={submit}>
          {names.map((n) => (
            <label key={n} className="field">
              <span>{n}</span>
              <input value={wish[n] ?? n} maxLength={100} onChange={(e) => setWish((now) => ({ ...now, [n]: e.target.value }))} />
            </label>
          ))}
          <div className="row end">
            <Button onClick={onClose}>Cancel</Button>
            <Button look="primary" type="submit">Rename everywhere</Button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

/** Asks which of two versions counts. There is no way round the question, because either answer drops something. */
export function Conflict({ mine, theirs, onMine, onTheirs }: { mine: readonly ApiCue[]; theirs: readonly ApiCue[]; onMine: () => void; onTheirs: () => void }) {
  const key = (c: ApiCue) => `${c.start} ${c.end} ${c.speaker ?? ''} ${c.text}`;
  const [inMine, inTheirs] = [new Set(mine.map(key)), new Set(theirs.map(key))];
  const onlyMine = mine.filter((c) => !inTheirs.has(key(c)));
  const onlyTheirs = theirs.filter((c) => !inMine.has(key(c)));
  return (
    <Dialog title="These captions were changed elsewhere" wide>
      <p>While you edited here, another tab or person saved a different version. Nothing of yours was overwritten, and nothing of theirs. Which one is to stay?</p>
      <div className="versions">
        <VersionList title="Yours" cues={onlyMine} />
        <VersionList title="Theirs" cues={onlyTheirs} />
      </div>
      <div className="row end">
        <Button onClick={onTheirs}>Use theirs</Button>
        <Button look="primary" onClick={onMine}>Keep mine</Button>
      </div>
      <p className="quiet small">After “Use theirs”, Undo brings yours back.</p>
    </Dialog>
  );
}

function VersionList({ title, cues }: { title: string; cues: readonly ApiCue[] }) {
  return (
    <section>
      <h3>{title}</h3>
      <p className="quiet small">{plural(cues.length, 'caption')} only here</p>
      <ul>
        {cues.slice(0, 4).map((c, i) => <li key={i} className="small"><time>{clock(c.start * 1000)}</time> {c.text.replaceAll('\n', ' ')}</li>)}
      </ul>
    </section>
  );
}
