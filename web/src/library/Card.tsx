import { isEnded, type ListedJob } from '../api/client';
import { cancelJob, retryJob } from '../captions/actions';
import { canRetry, progressLine, stateNames } from '../captions/states';
import { clock } from '../editor/time';
import { videoPath } from '../screens/router';
import { Button } from '../ui/Button';
import { languageName, when } from '../ui/format';
import { Link } from '../ui/Link';
import { Marked } from '../ui/Marked';
import { attempt } from '../ui/toasts';
import { Thumbnail } from './Thumbnail';

interface Props {
  job: ListedJob;
  found: RegExp | null;
  update: (id: string, job: ListedJob | null) => void;
  remove: (job: ListedJob) => void;
}

export function Card({ job, found, update, remove }: Props) {
  const running = !isEnded(job.state);
  const facts = [when(job.created_at), ...(job.language ? [languageName(job.language)] : [])];
  return (
    <li className={`card ${job.hits ? 'with-hits' : ''}`}>
      <div className="card-main">
        <Thumbnail job={job} />
        <div className="card-text">
          <h2 className="card-title">
            <Link href={videoPath(job.id)} className="cover"><Marked text={job.title} parts={found} /></Link>
          </h2>
          <p className="quiet small">{facts.join(' · ')}</p>
          {running ? (
            <div className="card-progress">
              <progress max={1} value={job.progress} aria-label={`Progress of ${job.title}`} />
              <p className="small">{progressLine(job)}</p>
            </div>
          ) : (
            <p className={`state ${job.state}`}>{stateNames[job.state]}</p>
          )}
          {job.reason && <p className="reason small">{job.reason.message}</p>}
        </div>
        <div className="card-actions">
          {running && <Button look="plain" icon="stop" label={`Cancel ${job.title}`} onClick={attempt(async () => update(job.id, await cancelJob(job.id)))} />}
          {canRetry(job.state) && <Button look="plain" icon="retry" label={`Try ${job.title} again`} onClick={attempt(async () => update(job.id, await retryJob(job.id)))} />}
          <Button look="plain" icon="trash" label={`Delete ${job.title}`} onClick={() => remove(job)} />
        </div>
      </div>
      {job.hits && (
        <ul className="hits" aria-label={`Found in ${job.title}`}>
          {job.hits.map((hit) => (
            <li key={hit.start}>
              <Link href={videoPath(job.id, hit.start)} className="hit">
                <time>{clock(hit.start * 1000)}</time>
                <span><Marked text={hit.text.replaceAll('\n', ' ')} parts={found} /></span>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}
