import { Failure, failureOf, unreachable } from '../api/failure';
import type { components } from '../api/schema';
import { createStore } from '../ui/store';

export type User = components['schemas']['User'];
type Answer = components['schemas']['Session'];

/**
 * Where the session stands. `expired` means that it ended in the middle of work: the screens stay as they are, what they
 * asked for waits, and a dialog asks to sign in again.
 */
export type SessionState =
  | { phase: 'starting' }
  | { phase: 'unreachable'; message: string }
  | { phase: 'out' }
  | { phase: 'in'; user: User }
  | { phase: 'expired'; user: User };

/** What tabs of one browser tell each other. */
type News = { type: 'in'; user: string } | { type: 'out' };

/** The outside of a session, so that tests can stand in for it. */
export interface Outside {
  fetch(path: string, init: RequestInit): Promise<Response>;
  /** Runs `work` while no other tab runs its own: each refresh cookie works only once. */
  turn<T>(work: () => Promise<T>): Promise<T>;
  tell(news: News): void;
  listen(hear: (news: News) => void): void;
  now(): number;
}

/** How long before its end a token is no longer used, in milliseconds. */
const margin = 30_000;

/**
 * Keeps the access token, in memory only, and renews it by the cookie that scripts cannot read. Whoever needs a token awaits
 * [token], which renews it first where that is due.
 */
export class Session {
  readonly #state = createStore<SessionState>({ phase: 'starting' });
  readonly state = { get: this.#state.get, subscribe: this.#state.subscribe };
  #token = '';
  #expires = 0;
  #renewal: Promise<void> | undefined;
  #waiting: { resolve: () => void; reject: (e: unknown) => void }[] = [];

  constructor(private readonly outside: Outside) {
    outside.listen((news) => void this.#hear(news));
  }

  /** Takes up the session that the browser has, if any. */
  async start(): Promise<void> {
    this.#state.set({ phase: 'starting' });
    try {
      await this.#renew();
    } catch (e) {
      this.#state.set({ phase: 'unreachable', message: (e as Error).message });
    }
  }

  async enter(way: 'login' | 'signup', email: string, password: string): Promise<void> {
    // No other tab may exchange the cookie while it is replaced.
    const answer = await this.outside.turn(() => this.#post(way, { email, password, cookie: true }));
    this.#accept(answer);
    this.outside.tell({ type: 'in', user: answer.user.id });
  }

  async leave(): Promise<void> {
    await this.outside.turn(() => this.#post('logout', {}));
    this.#drop();
    this.outside.tell({ type: 'out' });
  }

  /** Gives up a session that has expired, instead of signing in again. */
  abandon(): void {
    this.#drop();
  }

  /** A token that is valid now. Where the session has ended, it waits until the user has signed in again. */
  async token(): Promise<string> {
    while (this.#expires - margin <= this.outside.now()) {
      if (this.#state.get().phase === 'out') throw signedOut();
      if (this.#state.get().phase === 'expired') await this.#signIn();
      else await this.#renew();
    }
    return this.#token;
  }

  /** Tells that the server refused a token that should have been valid, so that the next one is new. */
  refused(token: string): void {
    if (token === this.#token) this.#expires = 0;
  }

  #signIn(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #renew(): Promise<void> {
    this.#renewal ??= this.outside
      .turn(async () => {
        const before = this.#state.get();
        try {
          this.#accept(await this.#post('refresh', {}));
        } catch (e) {
          if (!(e instanceof Failure) || (e.status !== 401 && e.status !== 403)) throw e;
          this.#token = '';
          this.#expires = 0;
          if (before.phase === 'in' || before.phase === 'expired') this.#state.set({ phase: 'expired', user: before.user });
          else this.#drop();
        }
      })
      .finally(() => (this.#renewal = undefined));
    return this.#renewal;
  }

  async #post(path: string, body: object): Promise<Answer> {
    let response: Response;
    try {
      // A page that goes away in the middle must not lose the cookie that the answer brings.
      response = await this.outside.fetch('/api/v1/auth/' + path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
        keepalive: true,
      });
    } catch {
      throw unreachable();
    }
    if (response.status === 204) return undefined as unknown as Answer;
    const content: unknown = await response.json().catch(() => null);
    if (!response.ok || content === null) throw failureOf(response, content);
    return content as Answer;
  }

  #accept(answer: Answer): void {
    const before = this.#state.get();
    this.#token = answer.access_token;
    // A short-lived token is used for most of its life all the same.
    this.#expires = this.outside.now() + Math.max(answer.expires_in * 1000, margin + 1000);
    const waiting = this.#waiting.splice(0);
    const other = 'user' in before && before.user.id !== answer.user.id;
    if (before.phase !== 'in' || other) this.#state.set({ phase: 'in', user: answer.user });
    for (const w of waiting) {
      if (other) w.reject(signedOut());
      else w.resolve();
    }
  }

  #drop(): void {
    this.#token = '';
    this.#expires = 0;
    this.#state.set({ phase: 'out' });
    for (const w of this.#waiting.splice(0)) w.reject(signedOut());
  }

  async #hear(news: News): Promise<void> {
    const state = this.#state.get();
    if (news.type === 'out') {
      if (state.phase !== 'out') this.#drop();
      return;
    }
    if (state.phase === 'in' && state.user.id === news.user) return;
    this.#expires = 0;
    await this.#renew().catch(() => undefined); // The next request tells what is wrong.
  }
}

const signedOut = () => new Failure('You have signed out. Sign in to go on.', 401, 'signed_out');

/** The outside as a browser has it. */
export function browser(): Outside {
  const channel = new BroadcastChannel('captions-session');
  return {
    fetch: (path, init) => fetch(path, init),
    turn: async (work) => (navigator.locks ? await navigator.locks.request('captions-session', work) : await work()),
    tell: (news) => channel.postMessage(news),
    listen: (hear) => channel.addEventListener('message', (m: MessageEvent<News>) => hear(m.data)),
    now: () => Date.now(),
  };
}
