import { api, type Job } from '../api/client';
import { failureOf } from '../api/failure';
import { titleOf } from '../ui/format';

type Format = 'json' | 'vtt' | 'srt' | 'txt';

export const formatNames: Record<string, string> = {
  vtt: 'WebVTT, for the web',
  srt: 'SubRip, for players and editors',
  txt: 'Text, for reading',
  json: 'JSON, with the time of each word',
};

/** Saves the captions as a file. */
export async function download(job: Job, format: string, speakers: boolean): Promise<void> {
  const { data, error, response } = await api.GET('/api/v1/result/{id}', {
    params: { path: { id: job.id }, query: { format: format as Format, ...(speakers ? { speakers } : {}) } },
    parseAs: 'blob',
  });
  if (!response.ok || !data) throw failureOf(response, error);
  const url = URL.createObjectURL(data);
  const link = document.createElement('a');
  link.href = url;
  link.download = `${titleOf(job.title)}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A link to a video at a moment, for somebody who may see it. */
export async function copyLink(path: string): Promise<void> {
  const link = location.origin + path;
  try {
    await navigator.clipboard.writeText(link);
  } catch {
    // Without HTTPS some browsers keep the clipboard from pages; the old way still works there.
    const field = document.createElement('textarea');
    field.value = link;
    document.body.append(field);
    field.select();
    const copied = document.execCommand('copy');
    field.remove();
    if (!copied) throw new Error('not copied');
  }
}
