import { memo, useEffect, useRef } from 'react';
import { Button } from '../ui/Button';
import { Icon } from '../ui/Icon';
import type { Cue } from './cues';
import { readingSpeed, type Warning } from './warnings';
import { clock } from './time';
import { TimeField } from './TimeField';
import type { Profile } from './profile';

/** What the row of a caption asks the editor to do. */
export interface RowActions {
  select(id: number): void;
  text(id: number, text: string): void;
  speaker(id: number, speaker: string): void;
  /** Sets times, or says why that is not possible. */
  times(id: number, start: number, end: number): string | null;
  split(id: number, caret: number | null): void;
  merge(id: number): void;
  add(id: number): void;
  remove(id: number): void;
  here(id: number, side: 'start' | 'end'): void;
}

interface Props {
  cue: Cue;
  number: number;
  selected: boolean;
  current: boolean;
  last: boolean;
  warnings: readonly Warning[];
  profile: Profile;
  actions: RowActions;
}

export const Row = memo(function Row(props: Props) {
  const { cue, number, selected, current, warnings, actions } = props;
  return (
    <li data-cue={cue.id} className={`row-of-cue ${selected ? 'selected' : ''} ${current ? 'current' : ''}`}>
      {selected ? (
        <Form {...props} />
      ) : (
        <button type="button" className="line" onClick={() => actions.select(cue.id)} aria-current={current ? 'true' : undefined}>
          <span className="unseen">Edit caption {number}</span>
          <time>{clock(cue.start)}</time>
          <span className="line-text">
            {cue.speaker && <span className="speaker">{cue.speaker}</span>}
            {cue.text || 'Empty'}
          </span>
          {warnings.length > 0 && <span className="line-warning"><Icon name="warning" /><span className="unseen">{warnings.length} to check</span></span>}
        </button>
      )}
    </li>
  );
});

function Form({ cue, number, last, warnings, profile, actions }: Props) {
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    // Whoever works in the toolbar stays there.
    if (!document.activeElement?.closest('.toolbar, dialog')) area.current!.focus({ preventScroll: true });
  }, [cue.id]);
  const speed = Math.round(readingSpeed(cue));
  return (
    <div className="cue-form" role="group" aria-label={`Caption ${number}`}>
      <div className="cue-times">
        <TimeField label="Start" value={cue.start} onChange={(ms) => actions.times(cue.id, ms, cue.end)} />
        <TimeField label="End" value={cue.end} onChange={(ms) => actions.times(cue.id, cue.start, ms)} />
        <label className="field">
          <span>Speaker</span>
          <input value={cue.speaker} maxLength={100} list="speakers" placeholder="Nobody named" onChange={(e) => actions.speaker(cue.id, e.target.value)} />
        </label>
      </div>
      <label className="field">
        <span className="unseen">Text of caption {number}</span>
        <textarea
          ref={area} value={cue.text} rows={Math.max(2, cue.text.split('\n').length)} maxLength={1000} spellCheck
          aria-describedby={`cue-${cue.id}-notes`}
          onChange={(e) => actions.text(cue.id, e.target.value)}
        />
      </label>
      <div id={`cue-${cue.id}-notes`} className="cue-notes small">
        <span className={speed > profile.maxSpeed ? 'over' : 'quiet'}>{speed} of {profile.maxSpeed} characters/s</span>
        <span className="quiet">{((cue.end - cue.start) / 1000).toFixed(1)} s</span>
        {warnings.map((w) => <span key={w.code + w.message} className="warning"><Icon name="warning" />{w.message}</span>)}
      </div>
      <div className="row tight cue-actions">
        <Button icon="split" keys="Ctrl+Enter" onClick={() => actions.split(cue.id, area.current?.selectionStart ?? null)}>Split</Button>
        <Button icon="merge" keys="Alt+M" disabled={last} onClick={() => actions.merge(cue.id)}>Merge</Button>
        <Button icon="plus" keys="Alt+N" onClick={() => actions.add(cue.id)}>Add</Button>
        <Button keys="Alt+I" onClick={() => actions.here(cue.id, 'start')}>Starts now</Button>
        <Button keys="Alt+O" onClick={() => actions.here(cue.id, 'end')}>Ends now</Button>
        <Button look="plain" icon="trash" label="Delete this caption" keys="Alt+Delete" onClick={() => actions.remove(cue.id)} />
      </div>
    </div>
  );
}
