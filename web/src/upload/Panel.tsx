import { useState } from 'react';
import { videoPath } from '../screens/router';
import { Button } from '../ui/Button';
import { about, bytes, percent, plural } from '../ui/format';
import { Link } from '../ui/Link';
import { useStore } from '../ui/store';
import { attempt } from '../ui/toasts';
import { uploads } from './instance';
import type { TransferView } from './transfer';

/** The uploads of this page, in a corner of every screen. */
export function UploadPanel() {
  const views = useStore(uploads.store);
  const [folded, setFolded] = useState(false);
  if (views.length === 0) return null;
  const open = views.filter((v) => !['done', 'cancelled', 'failed'].includes(v.stage)).length;
  const heading = open > 0 ? `${plural(open, 'upload')} under way` : 'Uploads';
  return (
    <section className="uploads" aria-label="Uploads">
      <header className="row spread">
        <h2>{heading}</h2>
        <span className="row tight">
          <Button look="plain" icon={folded ? 'up' : 'down'} label={folded ? 'Show the uploads' : 'Fold the uploads'} aria-expanded={!folded} onClick={() => setFolded(!folded)} />
          {open === 0 && <Button look="plain" icon="close" label="Close the uploads" onClick={() => views.forEach((v) => uploads.dismiss(v.key))} />}
        </span>
      </header>
      {!folded && <ul>{views.map((v) => <Row key={v.key} v={v} />)}</ul>}
    </section>
  );
}

function Row({ v }: { v: TransferView }) {
  const share = v.size > 0 ? v.sent / v.size : 0;
  const moving = ['starting', 'sending', 'finishing'].includes(v.stage);
  const retry = v.stage === 'failed' && v.retryable;
  return (
    <li className={`transfer ${v.stage}`}>
      <div className="row spread">
        <span className="ellipsis" title={v.name}>{v.name}</span>
        <span className="row tight">
          {(moving || v.stage === 'waiting') && v.stage !== 'finishing' && <Button look="plain" icon="pause" label={`Pause ${v.name}`} onClick={() => uploads.pause(v.key)} />}
          {v.stage === 'paused' && <Button look="plain" icon="play" label={`Resume ${v.name}`} onClick={() => uploads.resume(v.key)} />}
          {retry && <Button look="plain" icon="retry" label={`Try ${v.name} again`} onClick={() => uploads.resume(v.key)} />}
          {['done', 'cancelled', 'failed'].includes(v.stage) ? (
            <Button look="plain" icon="close" label={`Dismiss ${v.name}`} onClick={() => uploads.dismiss(v.key)} />
          ) : (
            v.stage !== 'finishing' && <Button look="plain" icon="close" label={`Cancel ${v.name}`} onClick={attempt(() => uploads.cancel(v.key))} />
          )}
        </span>
      </div>
      {!['done', 'cancelled', 'failed'].includes(v.stage) && <progress max={1} value={share} aria-label={`Upload of ${v.name}`} />}
      <p className="small quiet" role={v.trouble || v.stage === 'done' ? 'status' : undefined}>{line(v, share)}</p>
      {v.stage === 'done' && v.jobId && <Link className="small" href={videoPath(v.jobId)}>Watch its captions appear</Link>}
    </li>
  );
}

function line(v: TransferView, share: number): string {
  if (v.trouble) return v.trouble;
  switch (v.stage) {
    case 'waiting':
      return 'In line';
    case 'starting':
      return 'Starting';
    case 'sending':
      return [`${percent(share)} of ${bytes(v.size)}`, ...(v.speed ? [`${bytes(v.speed)}/s`] : []), ...(v.left !== null ? [`${about(v.left)} left`] : [])].join(' · ');
    case 'finishing':
      return 'Asking for captions';
    case 'paused':
      return `Paused at ${percent(share)}`;
    case 'done':
      return `${bytes(v.size)} sent`;
    case 'cancelled':
      return 'Cancelled';
    case 'failed':
      return 'Failed';
  }
}
