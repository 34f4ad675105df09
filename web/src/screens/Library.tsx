import { useEffect, useRef, useState } from 'react';
import { session, type JobState, type ListedJob } from '../api/client';
import { deleteJob } from '../captions/actions';
import { activeStates } from '../captions/states';
import { Card } from '../library/Card';
import { type Sort, sorts } from '../library/sort';
import { useLibrary } from '../library/useLibrary';
import { FileButton } from '../upload/FileButton';
import { Unfinished } from '../upload/Unfinished';
import { Button } from '../ui/Button';
import { Confirm } from '../ui/Confirm';
import { Icon } from '../ui/Icon';
import { wordsPattern } from '../ui/Marked';
import { Problem } from '../ui/Problem';
import { useStore } from '../ui/store';
import { attempt, tell } from '../ui/toasts';
import { go } from './router';

const filters = {
  all: { name: 'All', states: [] },
  running: { name: 'In progress', states: activeStates },
  ready: { name: 'Ready', states: ['processed'] },
  ended: { name: 'Not captioned', states: ['failed', 'skipped', 'cancelled'] },
} as const satisfies Record<string, { name: string; states: readonly JobState[] }>;
type Filter = keyof typeof filters;

const oneOf = <T extends string>(table: Record<T, unknown>, value: string | null, other: T): T =>
  value !== null && Object.hasOwn(table, value) ? (value as T) : other;

export function Library({ query }: { query: URLSearchParams }) {
  const q = query.get('q') ?? '';
  const show = oneOf<Filter>(filters, query.get('show'), 'all');
  const sort = oneOf<Sort>(sorts, query.get('sort'), 'newest');
  const library = useLibrary({ q, states: filters[show].states, sort });
  const [doomed, setDoomed] = useState<ListedJob | null>(null);
  const state = useStore(session.state);
  const found = wordsPattern(q);
  const narrowed = q !== '' || show !== 'all';
  const empty = !library.loading && !library.error && library.jobs.length === 0;

  const choose = (change: Record<string, string>) => {
    const next = new URLSearchParams(query);
    for (const [k, v] of Object.entries(change)) {
      if (v) next.set(k, v);
      else next.delete(k);
    }
    go('/' + (next.size ? '?' + next.toString() : ''), { replace: true });
  };

  return (
    <main className="page" id="main" tabIndex={-1}>
      <div className="page-head">
        <h1>Your videos</h1>
        <FileButton look={empty && !narrowed ? 'second' : 'primary'} />
      </div>
      <Unfinished />
      {(!empty || narrowed) && (
        <div className="filters">
          <Search value={q} onSearch={(text) => choose({ q: text })} />
          <div className="chips" role="group" aria-label="Show">
            {(Object.keys(filters) as Filter[]).map((f) => (
              <button key={f} type="button" className="chip" aria-pressed={f === show} onClick={() => choose({ show: f === 'all' ? '' : f })}>
                {filters[f].name}
              </button>
            ))}
          </div>
          <label className="sort">
            <span className="unseen">Sort</span>
            <select value={sort} onChange={(e) => choose({ sort: e.target.value === 'newest' ? '' : e.target.value })}>
              {Object.entries(sorts).map(([k, name]) => <option key={k} value={k}>{name}</option>)}
            </select>
          </label>
        </div>
      )}
      <p className="unseen" role="status">
        {library.loading ? '' : q ? `${library.jobs.length}${library.more ? ' or more' : ''} videos found` : ''}
      </p>
      {library.error ? (
        <Problem error={library.error} again={library.reload} />
      ) : library.loading ? (
        <Ghosts />
      ) : empty ? (
        narrowed ? (
          <div className="nothing">
            <p>{q ? <>Nothing matches “{q}”{show !== 'all' && ' here'}. Search looks in titles and in every spoken word.</> : 'No videos here.'}</p>
            <Button onClick={() => go('/')}>Show all videos</Button>
          </div>
        ) : (
          <Welcome email={'user' in state ? state.user.email : ''} />
        )
      ) : (
        <>
          <ul className={q ? 'cards found' : 'cards'}>
            {library.jobs.map((job) => <Card key={job.id} job={job} found={found} update={library.update} remove={setDoomed} />)}
          </ul>
          {library.more && <More load={library.loadMore} />}
        </>
      )}
      {doomed && (
        <Confirm
          title="Delete this video?"
          yes="Delete"
          onClose={() => setDoomed(null)}
          onYes={attempt(async () => {
            setDoomed(null);
            await deleteJob(doomed);
            library.update(doomed.id, null);
            tell(`“${doomed.title}” was deleted.`);
          })}
        >
          <p>“{doomed.title}” and its captions will be gone from the server for good. The file on your own device stays.</p>
        </Confirm>
      )}
    </main>
  );
}

/** The search field waits until the typing pauses. */
function Search({ value, onSearch }: { value: string; onSearch: (q: string) => void }) {
  const [text, setText] = useState(value);
  const search = useRef(onSearch);
  search.current = onSearch;
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    const q = text.trim().replace(/\s+/g, ' ').slice(0, 150);
    if (q === value) return;
    const timer = setTimeout(() => search.current(q), 250);
    return () => clearTimeout(timer);
  }, [text, value]);
  return (
    <label className="search">
      <Icon name="search" />
      <span className="unseen">Search titles and spoken words</span>
      <input type="search" value={text} maxLength={150} placeholder="Search titles and spoken words" onChange={(e) => setText(e.target.value)} />
    </label>
  );
}

/** Loads the next page when the end of the list comes near; the button is for those who do not scroll. */
function More({ load }: { load: () => void }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const watch = new IntersectionObserver(([entry]) => entry?.isIntersecting && load(), { rootMargin: '600px' });
    watch.observe(ref.current!);
    return () => watch.disconnect();
  }, [load]);
  return <div className="more" ref={ref}><Button onClick={load}>Show more</Button></div>;
}

function Ghosts() {
  return (
    <ul className="cards" aria-label="Loading" aria-busy="true">
      {[1, 2, 3].map((n) => <li key={n} className="card ghost"><div className="thumbnail" /><div className="bar" /><div className="bar short" /></li>)}
    </ul>
  );
}

function Welcome({ email }: { email: string }) {
  return (
    <section className="welcome">
      <div className="frame" aria-hidden="true">
        <span className="frame-play"><Icon name="play" /></span>
        <span className="frame-line">Every word, on the screen,</span>
        <span className="frame-line">the moment it is said.</span>
      </div>
      <h2>Drop your first video here</h2>
      <p className="quiet">
        Captions appear while it is still being transcribed. Then correct them, and take them with you as WebVTT, SubRip or text.
        Video and sound files of any usual kind will do.
      </p>
      <FileButton look="primary">Choose a video</FileButton>
      {email && <p className="quiet small">Only you, {email}, can see what you upload.</p>}
    </section>
  );
}
