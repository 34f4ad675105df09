import { memo, useEffect, useMemo, useRef, useState } from 'react';
import type { Cue } from '../editor/cues';
import { clock } from '../editor/time';
import { Button } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { Marked, textPattern } from '../ui/Marked';
import { reveal } from './reveal';

interface Props {
  cues: readonly Cue[];
  current: number;
  seek: (ms: number) => void;
  /** What stands there while there is nothing to read. */
  empty: string;
}

/** The captions as a text beside the video. */
export function Transcript({ cues, current, seek, empty }: Props) {
  const list = useRef<HTMLOListElement>(null);
  const [following, setFollowing] = useState(true);
  const [find, setFind] = useState('');
  const [at, setAt] = useState(0);
  const pattern = useMemo(() => textPattern(find), [find]);
  const hits = useMemo(() => (pattern ? cues.filter((c) => c.text.search(pattern) >= 0).map((c) => c.id) : []), [cues, pattern]);
  const hit = hits[Math.min(at, hits.length - 1)] ?? 0;

  useEffect(() => {
    if (following && current && !hit) reveal(list.current, current);
  }, [current, following, hit]);
  useEffect(() => {
    if (hit) reveal(list.current, hit);
  }, [hit]);

  const step = (by: number) => hits.length > 0 && setAt((n) => (Math.min(n, hits.length - 1) + by + hits.length) % hits.length);
  const stopFollowing = () => setFollowing(false);
  return (
    <section className="transcript" aria-label="Transcript">
      <div className="transcript-head">
        <label className="search">
          <Icon name="search" />
          <span className="unseen">Find in the transcript</span>
          <input
            type="search" value={find} placeholder="Find in the transcript"
            onChange={(e) => {
              setFind(e.target.value);
              setAt(0);
            }}
            onKeyDown={(e) => {
              if (e.key === 'Enter') {
                e.preventDefault();
                step(e.shiftKey ? -1 : 1);
              }
            }}
          />
        </label>
        {pattern && (
          <span className="row tight">
            <span className="quiet small" role="status">{hits.length > 0 ? `${Math.min(at, hits.length - 1) + 1} of ${hits.length}` : 'Nothing found'}</span>
            <Button look="plain" icon="up" label="Previous" keys="Shift+Enter" disabled={hits.length === 0} onClick={() => step(-1)} />
            <Button look="plain" icon="down" label="Next" keys="Enter" disabled={hits.length === 0} onClick={() => step(1)} />
          </span>
        )}
      </div>
      {cues.length === 0 ? <p className="quiet transcript-empty">{empty}</p> : (
        <ol ref={list} className="lines" tabIndex={-1} onWheel={stopFollowing} onTouchMove={stopFollowing}>
          {cues.map((c, i) => (
            <Line
              key={c.id} cue={c} current={c.id === current} hit={c.id === hit} pattern={pattern}
              named={c.speaker !== '' && c.speaker !== cues[i - 1]?.speaker}
              seek={(ms) => {
                setFollowing(true);
                seek(ms);
              }}
            />
          ))}
        </ol>
      )}
      {!following && current !== 0 && (
        <div className="follow"><Button look="primary" onClick={() => { setFollowing(true); reveal(list.current, current); }}>Back to what is spoken</Button></div>
      )}
    </section>
  );
}

interface LineProps {
  cue: Cue;
  current: boolean;
  hit: boolean;
  pattern: RegExp | null;
  named: boolean;
  seek: (ms: number) => void;
}

const Line = memo(
  function Line({ cue, current, hit, pattern, named, seek }: LineProps) {
    return (
      <li data-cue={cue.id}>
        {named && <p className="speaker">{cue.speaker}</p>}
        <button type="button" className={`line ${hit ? 'hit' : ''}`} aria-current={current ? 'true' : undefined} onClick={() => seek(cue.start)}>
          <time>{clock(cue.start)}</time>
          <span><Marked text={cue.text.replaceAll('\n', ' ')} parts={pattern} /></span>
        </button>
      </li>
    );
  },
  (a, b) => a.cue === b.cue && a.current === b.current && a.hit === b.hit && a.pattern === b.pattern && a.named === b.named,
);
