import { beforeEach, describe, expect, it } from 'vitest';
import { Session, type Outside } from './session';

const ada = { id: 'ada', email: 'ada@example.org', created_at: '' };
const bob = { id: 'bob', email: 'bob@example.org', created_at: '' };

let clock: number;
let requests: string[];
let answers: (Response | Error)[];
let hearers: ((news: { type: 'out' } | { type: 'in'; user: string }) => void)[];
let line: Promise<unknown>;

const signedIn = (token: string, user = ada) => Response.json({ user, access_token: token, token_type: 'Bearer', expires_in: 900 });
const refused = () => Response.json({ detail: 'Sign in again.', code: 'no_session' }, { status: 401 });

function tab(): Session {
  const outside: Outside = {
    fetch: async (path) => {
      requests.push(path.replace('/api/v1/auth/', ''));
      const answer = answers.shift() ?? new Error('no answer is left');
      if (answer instanceof Error) throw answer;
      return answer;
    },
    turn: (work) => {
      const turn = line.then(work);
      line = turn.catch(() => undefined);
      return turn;
    },
    tell: (news) => hearers.forEach((hear) => hear(news)),
    listen: (hear) => hearers.push(hear),
    now: () => clock,
  };
  return new Session(outside);
}

beforeEach(() => {
  clock = 0;
  requests = [];
  answers = [];
  hearers = [];
  line = Promise.resolve();
});

describe('a session', () => {
  it('is taken up by the cookie, and nobody is signed in without one', async () => {
    answers = [signedIn('one')];
    const s = tab();
    await s.start();
    expect(s.state.get()).toEqual({ phase: 'in', user: ada });
    expect(await s.token()).toBe('one');

    answers = [refused()];
    const t = tab();
    await t.start();
    expect(t.state.get()).toEqual({ phase: 'out' });
    await expect(t.token()).rejects.toThrow(/Sign in/);
  });

  it('does not take a lost network for the end of the session', async () => {
    answers = [new TypeError('network')];
    const s = tab();
    await s.start();
    expect(s.state.get().phase).toBe('unreachable');
    answers = [signedIn('one')];
    await s.start();
    expect(s.state.get().phase).toBe('in');

    clock += 900_000;
    answers = [Response.json({ detail: 'Later.', code: 'unavailable' }, { status: 503 })];
    await expect(s.token()).rejects.toThrow('Later.');
    expect(s.state.get().phase).toBe('in');
  });

  it('renews the token once for all who wait, shortly before it ends', async () => {
    answers = [signedIn('one'), signedIn('two')];
    const s = tab();
    await s.start();
    clock = 860_000;
    expect(await s.token()).toBe('one');
    clock = 871_000;
    expect(await Promise.all([s.token(), s.token(), s.token()])).toEqual(['two', 'two', 'two']);
    expect(requests).toEqual(['refresh', 'refresh']);
  });

  it('renews a token that the server refuses, but not twice for the same token', async () => {
    answers = [signedIn('one'), signedIn('two')];
    const s = tab();
    await s.start();
    s.refused('one');
    expect(await s.token()).toBe('two');
    s.refused('one');
    expect(await s.token()).toBe('two');
  });

  it('that has expired lets work wait until the user is back', async () => {
    answers = [signedIn('one'), refused(), signedIn('two')];
    const s = tab();
    await s.start();
    clock = 1_000_000;
    const work = Promise.all([s.token(), s.token()]);
    while (s.state.get().phase !== 'expired') await Promise.resolve();
    await s.enter('login', ada.email, 'secret');
    expect(await work).toEqual(['two', 'two']);
    expect(s.state.get().phase).toBe('in');
  });

  it('gives the work of one user to no other', async () => {
    answers = [signedIn('one'), refused(), signedIn('two', bob)];
    const s = tab();
    await s.start();
    clock = 1_000_000;
    const work = s.token();
    const failed = expect(work).rejects.toThrow(/signed out/);
    while (s.state.get().phase !== 'expired') await Promise.resolve();
    await s.enter('login', bob.email, 'secret');
    await failed;
    expect(s.state.get()).toEqual({ phase: 'in', user: bob });
  });
});

describe('tabs', () => {
  it('hear of signing in and out', async () => {
    answers = [refused(), refused(), signedIn('one'), signedIn('two')];
    const a = tab();
    const b = tab();
    await a.start();
    await b.start();
    await a.enter('signup', ada.email, 'secret');
    await line;
    expect(await b.token()).toBe('two');
    answers = [new Response(null, { status: 204 })];
    await a.leave();
    expect(b.state.get().phase).toBe('out');
  });

  it('take turns at the cookie', async () => {
    answers = [signedIn('one'), signedIn('two')];
    const a = tab();
    const b = tab();
    await Promise.all([a.start(), b.start()]);
    expect(await Promise.all([a.token(), b.token()])).toEqual(['one', 'two']);
  });
});
