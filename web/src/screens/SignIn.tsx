import { useState } from 'react';
import { Credentials } from '../auth/Credentials';
import { Logo } from '../ui/Logo';
import { ThemeSwitch } from '../ui/theme';

export function SignIn() {
  const [way, setWay] = useState<'login' | 'signup'>('login');
  return (
    <main className="sign-in" id="main">
      <section className="pitch">
        <Logo />
        <div>
          <h1>Captions for your videos.</h1>
          <p>Upload a video, watch its captions appear while it is being transcribed, correct them with the keyboard, and take them with you.</p>
        </div>
        <div className="frame" aria-hidden="true">
          <span className="frame-line">Every word, on the screen,</span>
          <span className="frame-line">the moment it is said.</span>
        </div>
      </section>
      <section className="entry">
        <div className="entry-theme"><ThemeSwitch /></div>
        <div className="entry-form">
          <h2>{way === 'login' ? 'Sign in' : 'Create an account'}</h2>
          <Credentials key={way} way={way} />
          <p className="quiet">
            {way === 'login' ? 'New here?' : 'You have an account?'}{' '}
            <button type="button" className="textual" onClick={() => setWay(way === 'login' ? 'signup' : 'login')}>
              {way === 'login' ? 'Create an account' : 'Sign in'}
            </button>
          </p>
        </div>
      </section>
    </main>
  );
}
