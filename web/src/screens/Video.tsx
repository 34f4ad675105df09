import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { isEnded, type Job } from '../api/client';
import { Failure } from '../api/failure';
import { cancelJob, deleteJob, retryJob } from '../captions/actions';
import { copyLink, download, formatNames } from '../captions/download';
import { canRetry, progressLine, stateNames } from '../captions/states';
import { useJob } from '../captions/useJob';
import { useMedia } from '../captions/useMedia';
import { type Captions, useCaptions } from '../captions/useCaptions';
import type { Cue } from '../editor/cues';
import { Editor } from '../editor/Editor';
import { Button } from '../ui/Button';
import { Confirm } from '../ui/Confirm';
import { languageName, titleOf, when } from '../ui/format';
import { Icon } from '../ui/Icon';
import { Link } from '../ui/Link';
import { Menu } from '../ui/Menu';
import { Problem } from '../ui/Problem';
import { attempt, complain, tell } from '../ui/toasts';
import { shownAt } from '../video/captionTrack';
import { type Control, Player } from '../video/Player';
import { Transcript } from '../video/Transcript';
import { useTitle } from './App';
import { editPath, go, videoPath } from './router';

const none: readonly Cue[] = [];

export function Video({ id, editing, query }: { id: string; editing: boolean; query: URLSearchParams }) {
  const { job, live, error, refresh } = useJob(id);
  const { media, renew } = useMedia(job?.upload_id);
  const captions = useCaptions(job?.state === 'processed' ? id : null);
  const [edited, setEdited] = useState<readonly Cue[] | null>(null);
  const [time, setTime] = useState(0);
  const control = useRef<Control | null>(null);
  useTitle(job ? titleOf(job.title) : '');

  const cues = editing && edited ? edited : captions.kind === 'ready' ? captions.cues : job?.state === 'processed' ? none : live;
  const current = useMemo(() => shownAt(cues, time), [cues, time]);
  const seek = useCallback((ms: number) => {
    control.current?.seek(ms);
    setTime(ms + 10);
  }, []);
  const t = query.get('t');
  useEffect(() => {
    if (t) seek(Number(t) * 1000 || 0);
  }, [t, seek]);

  if (error && !job) {
    const missing = error instanceof Failure && error.status === 404;
    return (
      <main className="page narrow" id="main">
        <h1>{missing ? 'This video is not here' : 'The video could not be opened'}</h1>
        {missing ? (
          <p>It was deleted, or it belongs to someone else. <Link href="/">Your videos</Link> are all in one place.</p>
        ) : (
          <Problem error={error} again={refresh} />
        )}
      </main>
    );
  }
  return (
    <main className={`studio ${editing ? 'editing' : ''}`} id="main" tabIndex={-1}>
      <Head job={job} captions={captions} editing={editing} refresh={refresh} time={() => control.current?.time() ?? 0} />
      <div className="studio-video">
        <Player
          media={media} renew={renew} cues={cues} language={job?.language || 'en'} title={job?.title ?? 'Video'} start={Number(t) || 0}
          onTime={setTime} control={control}
        />
        {job && <Progress job={job} refresh={refresh} />}
      </div>
      <div className="studio-text">
        {captions.kind === 'failed' ? (
          <Problem error={captions.error} again={captions.reload} />
        ) : editing && captions.kind === 'ready' ? (
          <Editor key={id} jobId={id} captions={captions} current={current} control={control} seek={seek} onCues={setEdited} />
        ) : (
          <Transcript cues={cues} current={current} seek={seek} empty={job ? emptyText(job, captions) : 'Loading…'} />
        )}
      </div>
    </main>
  );
}

function emptyText(job: Job, captions: Captions): string {
  if (job.state === 'processed') return captions.kind === 'ready' ? 'No words were heard in this video.' : 'Loading…';
  return isEnded(job.state) ? 'There are no captions.' : 'The first captions appear here as soon as they are heard.';
}

function Head({ job, captions, editing, refresh, time }: { job: Job | null; captions: Captions; editing: boolean; refresh: (j?: Job) => void; time: () => number }) {
  const [doomed, setDoomed] = useState(false);
  const [speakers, setSpeakers] = useState(true);
  const ready = job?.state === 'processed';
  const named = captions.kind === 'ready' && captions.cues.some((c) => c.speaker);
  const copy = (seconds?: number) =>
    copyLink(videoPath(job!.id, seconds)).then(
      () => tell('The link is copied. It opens for you, once you are signed in.'),
      () => complain(new Failure('The browser does not let this page copy. Copy the address of the page instead.', 0, 'clipboard')),
    );
  return (
    <header className="studio-head">
      <div className="studio-title">
        <Link href="/" className="back"><Icon name="back" />Your videos</Link>
        <h1>{job ? titleOf(job.title) : 'Loading…'}</h1>
        {job && (
          <p className="quiet small facts">
            <span className={`state ${job.state}`}>{stateNames[job.state]}</span>
            <span>{when(job.created_at)}</span>
            {job.language && <span>{languageName(job.language)}</span>}
            {job.engine && <span>{job.engine}</span>}
          </p>
        )}
      </div>
      {job && (
        <div className="row studio-actions">
          {ready && (editing ? (
            <Button look="primary" icon="check" onClick={() => go(videoPath(job.id))}>Done</Button>
          ) : (
            <Button look="primary" icon="edit" disabled={captions.kind !== 'ready'} onClick={() => go(editPath(job.id))}>Edit</Button>
          ))}
          {ready && (
            <Menu name="Download" icon="download">
              {(close) => (
                <>
                  {Object.entries(formatNames).map(([format, use]) => (
                    <button key={format} type="button" className="choice" onClick={() => { close(); download(job, format, named && speakers).catch(complain); }}>
                      <strong>{format.toUpperCase()}</strong>
                      <span className="quiet small">{use}</span>
                    </button>
                  ))}
                  {named && (
                    <label className="check">
                      <input type="checkbox" checked={speakers} onChange={(e) => setSpeakers(e.target.checked)} />
                      <span>With the names of speakers</span>
                    </label>
                  )}
                </>
              )}
            </Menu>
          )}
          <Menu name="Copy link" icon="link">
            {(close) => (
              <>
                <button type="button" className="choice" onClick={() => { close(); void copy(); }}><strong>To the video</strong></button>
                <button type="button" className="choice" onClick={() => { close(); void copy(time() / 1000); }}><strong>To this second</strong></button>
              </>
            )}
          </Menu>
          {canRetry(job.state) && <Button icon="retry" onClick={attempt(async () => refresh(await retryJob(job.id)))}>Try again</Button>}
          <Button look="plain" icon="trash" label="Delete this video" onClick={() => setDoomed(true)} />
        </div>
      )}
      {job && doomed && (
        <Confirm
          title="Delete this video?" yes="Delete" onClose={() => setDoomed(false)}
          onYes={attempt(async () => {
            await deleteJob(job);
            go('/', { replace: true });
            tell(`“${job.title}” was deleted.`);
          })}
        >
          <p>“{job.title}” and its captions will be gone from the server for good. The file on your own device stays.</p>
        </Confirm>
      )}
    </header>
  );
}

function Progress({ job, refresh }: { job: Job; refresh: (j?: Job) => void }) {
  if (isEnded(job.state)) return job.reason && <div className="problem" role="status"><Icon name="warning" /><p>{job.reason.message}</p></div>;
  return (
    <div className="job-progress">
      <progress max={1} value={job.progress} aria-label="Progress of the captions" />
      <div className="row spread">
        <p className="small" role="status">{progressLine(job)}</p>
        <Button look="plain" icon="stop" onClick={attempt(async () => refresh(await cancelJob(job.id)))}>Cancel</Button>
      </div>
    </div>
  );
}
