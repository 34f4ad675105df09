import { useEffect, useState } from 'react';
import type { Upload } from '../api/client';
import { Button } from '../ui/Button';
import { bytes, percent } from '../ui/format';
import { useStore } from '../ui/store';
import { attempt } from '../ui/toasts';
import { edge, unfinished } from './browser';
import { FileButton } from './FileButton';
import { uploads } from './instance';

/** Uploads of an earlier page that wait for their file: a page may not read it again by itself. */
export function Unfinished() {
  const [found, setFound] = useState<readonly Upload[]>([]);
  const views = useStore(uploads.store);
  useEffect(() => {
    let gone = false;
    const load = async () => {
      const list = await unfinished();
      const known = new Set(uploads.store.get().map((v) => v.uploadId));
      const details = await Promise.all(list.filter((u) => !known.has(u.id)).slice(0, 10).map((u) => edge.get(u.id)));
      if (!gone) setFound(details);
    };
    load().catch(() => undefined); // It is only a reminder.
    return () => {
      gone = true;
    };
  }, []);
  const here = new Set(views.map((v) => v.uploadId));
  const waiting = found.filter((u) => u.state === 'uploading' && !here.has(u.id));
  if (waiting.length === 0) return null;
  return (
    <section className="unfinished" aria-labelledby="unfinished">
      <div className="row spread">
        <div>
          <h2 id="unfinished">{waiting.length === 1 ? 'An upload is not finished' : 'Some uploads are not finished'}</h2>
          <p className="quiet small">Choose the same file again, and it goes on where it stopped.</p>
        </div>
        <FileButton look="second">Choose again</FileButton>
      </div>
      <ul>
        {waiting.map((u) => {
          const sent = (u.parts ?? []).reduce((n, p) => n + p.size, 0);
          return (
            <li key={u.id} className="row spread">
              <span className="ellipsis">{u.name}</span>
              <span className="row small quiet">
                {percent(sent / u.size)} of {bytes(u.size)}
                <Button
                  look="plain" icon="close" label={`Discard ${u.name}`}
                  onClick={attempt(async () => {
                    await edge.remove(u.id);
                    setFound((now) => now.filter((one) => one.id !== u.id));
                  })}
                />
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
