import { useEffect, useState } from 'react';
import { api, type Choices, type JobOptions, must } from '../api/client';
import { profileNamed } from '../editor/profile';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { bytes, languageName, plural } from '../ui/format';
import { Problem } from '../ui/Problem';
import { useStore } from '../ui/store';
import { chosen } from './chosen';
import { objection } from './file';
import { uploads } from './instance';

const remembered = 'captions-options';

/** The audio tracks to choose from: the browser cannot tell which ones a file has. */
const tracks = ['The first', 'The second', 'The third', 'The fourth', 'The fifth', 'The sixth', 'The seventh', 'The eighth'];

function recall(): JobOptions {
  try {
    return JSON.parse(localStorage.getItem(remembered) ?? '{}') as JobOptions;
  } catch {
    return {};
  }
}

function remember(options: JobOptions): void {
  try {
    localStorage.setItem(remembered, JSON.stringify(options));
  } catch {
    // The next upload then begins with the defaults.
  }
}

/** Asks how chosen files are to be captioned. The defaults are good, so Enter is enough. */
export function UploadDialog() {
  const files = useStore(chosen);
  return files.length > 0 ? <Ask files={files} /> : null;
}

function Ask({ files }: { files: readonly File[] }) {
  const [choices, setChoices] = useState<Choices | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [wish, setWish] = useState<JobOptions>(recall);
  const [refused, setRefused] = useState<ReadonlyMap<File, string>>(new Map());
  const [round, setRound] = useState(0);
  const [track, setTrack] = useState(0); // of these files alone, so it is not remembered
  const [terms, setTerms] = useState(() => (recall().keyterms ?? []).join(', '));

  useEffect(() => {
    setError(null);
    must(api.GET('/api/v1/captions/options')).then(setChoices).catch(setError);
  }, [round]);
  useEffect(() => {
    let gone = false;
    void Promise.all(files.map(async (f) => [f, await objection(f)] as const)).then((all) => {
      if (!gone) setRefused(new Map(all.flatMap(([f, reason]) => (reason ? [[f, reason]] : []))));
    });
    return () => {
      gone = true;
    };
  }, [files]);

  const close = () => chosen.set([]);
  const engine = choices?.engines.find((e) => e.name === wish.engine) ?? choices?.engines[0];
  const languages = engine?.languages ?? [];
  const language = wish.language && (languages.length === 0 || languages.includes(wish.language)) ? wish.language : '';
  const profile = choices && wish.profile && choices.profiles.includes(wish.profile) ? wish.profile : (choices?.profiles[0] ?? '');
  const good = files.filter((f) => !refused.has(f));
  const keyterms = terms.split(',').map((t) => t.trim()).filter((t) => t !== '').slice(0, 100);
  const set = (change: JobOptions) => setWish((now) => ({ ...now, ...change }));

  const start = () => {
    if (!engine || good.length === 0) return;
    const options: JobOptions = {
      engine: engine.name,
      profile,
      ...(language ? { language } : {}),
      ...(engine.diarization && wish.diarize ? { diarize: true } : {}),
      ...(engine.keyterms && keyterms.length > 0 ? { keyterms } : {}),
    };
    remember(options);
    uploads.add(good, track > 0 ? { ...options, audio_track: track } : options);
    close();
  };

  return (
    <Dialog title={files.length === 1 ? 'Caption this file' : `Caption ${plural(files.length, 'file')}`} onClose={close}>
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          start();
        }}
      >
        <ul className="chosen">
          {files.map((f, i) => (
            <li key={i} className={refused.has(f) ? 'refused' : ''}>
              <span className="row spread">
                <span className="ellipsis">{f.name}</span>
                <span className="quiet small">{bytes(f.size)}</span>
              </span>
              {refused.has(f) && <span className="small">{refused.get(f)}</span>}
            </li>
          ))}
        </ul>
        {error ? <Problem error={error} again={() => setRound((n) => n + 1)} /> : null}
        {choices && engine && (
          <div className="fields">
            <label className="field">
              <span>Spoken language</span>
              {languages.length > 0 ? (
                <select value={language} onChange={(e) => set({ language: e.target.value })}>
                  {(engine.language_detection || languages.length > 1) && <option value="">{engine.language_detection ? 'Find out' : 'The engine’s own'}</option>}
                  {languages.length === 1 && !engine.language_detection ? (
                    <option value="">{languageName(languages[0]!)}</option>
                  ) : (
                    languages.map((l) => <option key={l} value={l}>{languageName(l)}</option>)
                  )}
                </select>
              ) : (
                <input value={language} maxLength={64} placeholder="Find out, or a tag such as en or de-AT" onChange={(e) => set({ language: e.target.value.trim() })} />
              )}
            </label>
            <label className="field">
              <span>Style of the captions</span>
              <select value={profile} onChange={(e) => set({ profile: e.target.value })}>
                {choices.profiles.map((p) => <option key={p} value={p}>{profileText(p)}</option>)}
              </select>
            </label>
            {choices.engines.length > 1 && (
              <label className="field">
                <span>Speech engine</span>
                <select value={engine.name} onChange={(e) => set({ engine: e.target.value })}>
                  {choices.engines.map((e) => <option key={e.name}>{e.name}</option>)}
                </select>
              </label>
            )}
            <label className="field">
              <span>Audio track</span>
              <select value={track} onChange={(e) => setTrack(Number(e.target.value))}>
                {tracks.map((name, n) => <option key={n} value={n}>{name}</option>)}
              </select>
            </label>
            {engine.keyterms && (
              <label className="field">
                <span>Names and words to expect</span>
                <input value={terms} maxLength={2000} placeholder="Kubernetes, Ångström" onChange={(e) => setTerms(e.target.value)} />
              </label>
            )}
            {engine.diarization && (
              <label className="check">
                <input type="checkbox" checked={wish.diarize ?? false} onChange={(e) => set({ diarize: e.target.checked })} />
                <span>Tell speakers apart</span>
              </label>
            )}
          </div>
        )}
        <div className="row end">
          <Button onClick={close}>Cancel</Button>
          <Button look="primary" type="submit" icon="upload" disabled={!engine || good.length === 0} autoFocus>
            {good.length > 1 ? `Upload ${good.length} files` : 'Upload'}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function profileText(name: string): string {
  const p = profileNamed(name);
  if (p.name !== name) return name;
  const known = { netflix: 'Netflix', bbc: 'BBC', plain: 'Plain' }[name] ?? name;
  return `${known}: ${p.maxLines === 1 ? 'one line' : `${p.maxLines} lines`} of ${p.maxLine}`;
}
