import { useEffect, useState } from 'react';
import { session } from '../api/client';
import { Credentials } from '../auth/Credentials';
import type { User } from '../auth/session';
import { DropZone } from '../upload/DropZone';
import { chosen } from '../upload/chosen';
import { uploads } from '../upload/instance';
import { UploadDialog } from '../upload/Options';
import { UploadPanel } from '../upload/Panel';
import { OfflineBanner } from '../ui/Banners';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Link } from '../ui/Link';
import { Logo } from '../ui/Logo';
import { useStore } from '../ui/store';
import { ThemeSwitch } from '../ui/theme';
import { attempt, Toasts } from '../ui/toasts';
import { Library } from './Library';
import { route } from './router';
import { SignIn } from './SignIn';
import { Video } from './Video';

export function App() {
  const state = useStore(session.state);
  return (
    <>
      <a className="skip" href="#main">Skip to the content</a>
      <OfflineBanner />
      {state.phase === 'starting' && <p className="starting" role="status">Loading…</p>}
      {state.phase === 'unreachable' && <Away message={state.message} />}
      {state.phase === 'out' && <SignIn />}
      {(state.phase === 'in' || state.phase === 'expired') && <Studio key={state.user.id} user={state.user} />}
      {state.phase === 'expired' && <Expired user={state.user} />}
      <Toasts />
    </>
  );
}

function Away({ message }: { message: string }) {
  useEffect(() => {
    const timer = setTimeout(() => void session.start(), 3000);
    return () => clearTimeout(timer);
  }, []);
  return (
    <main className="page narrow" id="main">
      <h1>One moment</h1>
      <p>{message}</p>
      <Button look="primary" onClick={() => void session.start()}>Try again</Button>
    </main>
  );
}

/** The work of a user: everything in here ends with the session of that user. */
function Studio({ user }: { user: User }) {
  const here = useStore(route);
  useEffect(
    () => () => {
      uploads.clear();
      chosen.set([]);
    },
    [],
  );
  useTitle(here.name === 'library' ? 'Your videos' : here.name === 'nowhere' ? 'Nothing here' : null);
  return (
    <>
      <header className="top">
        <Link href="/" className="home" aria-label="captions: your videos"><Logo /></Link>
        <nav className="row tight" aria-label="Account">
          <span className="quiet small email">{user.email}</span>
          <ThemeSwitch />
          <SignOut />
        </nav>
      </header>
      {here.name === 'library' && <Library query={here.query} />}
      {here.name === 'video' && <Video key={here.id} id={here.id} editing={here.editing} query={here.query} />}
      {here.name === 'nowhere' && (
        <main className="page narrow" id="main">
          <h1>There is nothing at this address</h1>
          <p>It may have been mistyped. <Link href="/">Your videos</Link> are all in one place.</p>
        </main>
      )}
      <DropZone />
      <UploadDialog />
      <UploadPanel />
    </>
  );
}

function SignOut() {
  const [busy, setBusy] = useState(false);
  const leave = attempt(async () => {
    setBusy(true);
    try {
      await session.leave();
    } finally {
      setBusy(false);
    }
  });
  return <Button look="plain" icon="leave" label="Sign out" disabled={busy} onClick={leave} />;
}

/** Asks to sign in again over the screen, which stays as it is. */
function Expired({ user }: { user: User }) {
  return (
    <Dialog title="Your session has ended">
      <p>Sign in again to go on. Nothing on this screen is lost; what was not saved yet is saved then.</p>
      <Credentials email={user.email} />
      <p className="quiet small">
        Not you? <button type="button" className="textual" onClick={() => session.abandon()}>Leave, and sign in as someone else</button>
      </p>
    </Dialog>
  );
}

export function useTitle(title: string | null): void {
  useEffect(() => {
    if (title !== null) document.title = title ? `${title} · captions` : 'captions';
  }, [title]);
}
