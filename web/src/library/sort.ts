import type { ListedJob } from '../api/client';

export const sorts = { newest: 'Newest first', oldest: 'Oldest first', title: 'By title', longest: 'Longest first' } as const;
export type Sort = keyof typeof sorts;

const titles = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

const orders: Record<Sort, ((a: ListedJob, b: ListedJob) => number) | null> = {
  newest: null, // the order of the server
  oldest: (a, b) => a.created_at.localeCompare(b.created_at),
  title: (a, b) => titles.compare(a.title, b.title),
  longest: (a, b) => (b.duration ?? -1) - (a.duration ?? -1),
};

export function sorted(jobs: readonly ListedJob[], sort: Sort): readonly ListedJob[] {
  const order = orders[sort];
  return order ? jobs.toSorted(order) : jobs;
}
