import { type FormEvent, useState } from 'react';
import { session } from '../api/client';
import { messageOf } from '../api/failure';
import { Button } from '../ui/Button';

type Way = 'login' | 'signup';

/** The form that signs in or makes an account. With `email` it is for that account alone. */
export function Credentials({ email, way = 'login' }: { email?: string; way?: Way }) {
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const [shown, setShown] = useState(false);
  const submit = async (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    const form = new FormData(e.currentTarget);
    setBusy(true);
    setError('');
    try {
      await session.enter(way, email ?? String(form.get('email')).trim(), String(form.get('password')));
    } catch (failure) {
      setError(messageOf(failure));
      setBusy(false);
    }
  };
  return (
    <form className="stack" onSubmit={(e) => void submit(e)}>
      {email ? (
        <>
          <p>You are <strong>{email}</strong>.</p>
          <input type="hidden" name="username" autoComplete="username" value={email} />
        </>
      ) : (
        <label className="field">
          <span>E-mail</span>
          <input name="email" type="email" autoComplete="username" required maxLength={254} aria-invalid={error !== ''} />
        </label>
      )}
      <div className="field">
        <label htmlFor={`password-${way}`}>Password</label>
        <span className="with-button">
          <input
            id={`password-${way}`} name="password" type={shown ? 'text' : 'password'} required autoFocus={email !== undefined}
            minLength={way === 'signup' ? 8 : undefined} maxLength={1024}
            autoComplete={way === 'signup' ? 'new-password' : 'current-password'}
            aria-describedby={way === 'signup' ? 'password-hint' : undefined} aria-invalid={error !== ''}
          />
          <Button look="plain" aria-pressed={shown} onClick={() => setShown(!shown)}>{shown ? 'Hide' : 'Show'}</Button>
        </span>
        {way === 'signup' && <span id="password-hint" className="quiet small">At least 8 characters. A few words are easier to remember than signs.</span>}
      </div>
      <p className="form-error" role="alert">{error}</p>
      <Button look="primary" type="submit" disabled={busy}>{way === 'signup' ? 'Create account' : 'Sign in'}</Button>
    </form>
  );
}
