import type { Job, JobState } from '../api/client';
import { about, percent } from '../ui/format';

/** How states are told to people. */
export const stateNames: Record<JobState, string> = {
  queued: 'In line',
  preparing: 'Preparing',
  transcribing: 'Transcribing',
  assembling: 'Finishing',
  processed: 'Ready',
  failed: 'Failed',
  skipped: 'Nothing to caption',
  cancelled: 'Cancelled',
};

export const activeStates: JobState[] = ['queued', 'preparing', 'transcribing', 'assembling'];

export const canRetry = (state: JobState): boolean => state === 'failed' || state === 'cancelled';

/** The line under a progress bar. */
export function progressLine(job: Job): string {
  const parts = [stateNames[job.state]];
  if (job.state !== 'queued') parts.push(percent(job.progress));
  if (job.eta_seconds !== null && job.state !== 'queued') parts.push(`about ${about(job.eta_seconds)} left`);
  return parts.join(' · ');
}
