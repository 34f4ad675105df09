import { Button } from '../ui/Button';
import type { SaveState } from './autosave';

/** Says at all times whether what is on the screen is stored. */
export function SaveNote({ state, onSave }: { state: SaveState; onSave: () => void }) {
  const text = {
    saved: 'Saved',
    unsaved: 'Not saved yet',
    saving: 'Saving…',
    retrying: 'Not saved; it tries again',
    refused: 'Not saved',
    conflict: 'Not saved: changed elsewhere',
  }[state.kind];
  return (
    <span className={`save-note small ${state.kind}`}>
      <span role="status">{text}</span>
      {(state.kind === 'retrying' || state.kind === 'refused') && (
        <>
          <span className="save-why" role="alert">{state.message}</span>
          <Button look="plain" onClick={onSave}>Save now</Button>
        </>
      )}
    </span>
  );
}
