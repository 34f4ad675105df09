/** A failure as the user sees it: `message` says what happened and what to do. */
export class Failure extends Error {
  override name = 'Failure';

  constructor(
    message: string,
    /** The HTTP status; 0 where no answer came. */
    readonly status: number,
    /** The exact cause, for programs. */
    readonly code: string,
    /** How many seconds to wait before another try, where the server says so. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

export const unreachable = () =>
  new Failure('The server cannot be reached. Check your connection, then try again.', 0, 'unreachable');

export const isAbort = (e: unknown): boolean => e instanceof DOMException && e.name === 'AbortError';

/** Makes the failure that a response tells. The body is a problem document, unless something between us and the server answered. */
export function failureOf(response: Response, problem: unknown): Failure {
  const p = (typeof problem === 'object' && problem !== null ? problem : {}) as { detail?: unknown; code?: unknown };
  const retry = Number(response.headers.get('Retry-After'));
  return new Failure(
    typeof p.detail === 'string' ? p.detail : `The server answered ${response.status}. Try again in a moment.`,
    response.status,
    typeof p.code === 'string' ? p.code : 'unexpected',
    retry > 0 ? retry : undefined,
  );
}

export function messageOf(e: unknown): string {
  if (e instanceof Failure) return e.message;
  return 'Something unexpected happened in this page. Reload it and try again; what you saved is safe.';
}
