import { api, type Job, must } from '../api/client';

export const cancelJob = (id: string): Promise<Job> => must(api.POST('/api/v1/captions/{id}/cancel', { params: { path: { id } } }));

export const retryJob = (id: string): Promise<Job> => must(api.POST('/api/v1/captions/{id}/retry', { params: { path: { id } } }));

/** Deletes captions, and the video with the last captions of it. */
export async function deleteJob(job: Job): Promise<void> {
  await must(api.DELETE('/api/v1/captions/{id}', { params: { path: { id: job.id } } }));
  const rest = await must(api.GET('/api/v1/captions', { params: { query: { upload_id: job.upload_id, limit: 1 } } }));
  if (rest.captions.length === 0) await must(api.DELETE('/api/v1/uploads/{id}', { params: { path: { id: job.upload_id } } }));
}
