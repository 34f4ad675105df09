import createClient from 'openapi-fetch';
import { browser, Session } from '../auth/session';
import { reportReachable, reportUnreachable } from './connection';
import { failureOf, isAbort, unreachable } from './failure';
import type { components, paths } from './schema';

export type Job = components['schemas']['Job'];
export type ListedJob = components['schemas']['ListedJob'];
export type JobState = components['schemas']['JobState'];
export type JobOptions = components['schemas']['JobOptions'];
export type Transcript = components['schemas']['Transcript'];
export type ApiCue = components['schemas']['Cue'];
export type Upload = components['schemas']['Upload'];
export type Choices = components['schemas']['Choices'];
export type EventMessage = components['schemas']['EventMessage'];

export const session = new Session(browser());

/** Sends a request with a valid token; one that the server refuses all the same is renewed once. */
async function authorised(request: Request): Promise<Response> {
  for (let renewed = false; ; renewed = true) {
    const token = await session.token();
    const attempt = request.clone();
    attempt.headers.set('Authorization', 'Bearer ' + token);
    let response: Response;
    try {
      response = await fetch(attempt);
    } catch (e) {
      if (isAbort(e)) throw e;
      reportUnreachable();
      throw unreachable();
    }
    reportReachable();
    if (response.status !== 401 || renewed) return response;
    session.refused(token);
  }
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: authorised });

/** The data of an answer, or the failure that it tells. */
export async function must<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) throw failureOf(response, error);
  return data as T;
}

export const isEnded = (state: JobState): boolean =>
  state === 'processed' || state === 'failed' || state === 'skipped' || state === 'cancelled';
