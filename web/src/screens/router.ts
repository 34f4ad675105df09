import { createStore } from '../ui/store';

/** Where the page is. There are three screens, so a table of routes is all that is needed. */
export type Route =
  | { name: 'library'; query: URLSearchParams }
  | { name: 'video'; id: string; editing: boolean; query: URLSearchParams }
  | { name: 'nowhere' };

export function routeOf(path: string, search: string): Route {
  const query = new URLSearchParams(search);
  if (path === '/') return { name: 'library', query };
  const m = /^\/videos\/([a-z2-7]{26})(\/edit)?$/.exec(path);
  if (m) return { name: 'video', id: m[1]!, editing: m[2] !== undefined, query };
  return { name: 'nowhere' };
}

const store = createStore<Route>(routeOf(location.pathname, location.search));
export const route = { get: store.get, subscribe: store.subscribe };

const read = () => store.set(routeOf(location.pathname, location.search));
addEventListener('popstate', read);

export function go(to: string, options: { replace?: boolean } = {}): void {
  if (options.replace) history.replaceState(null, '', to);
  else if (to !== location.pathname + location.search) history.pushState(null, '', to);
  read();
}

export const videoPath = (id: string, seconds?: number): string => `/videos/${id}${seconds === undefined ? '' : `?t=${Math.floor(seconds)}`}`;
export const editPath = (id: string): string => `/videos/${id}/edit`;
