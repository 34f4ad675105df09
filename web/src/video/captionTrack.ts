import type { Cue } from '../editor/cues';

/** Text of a caption for WebVTT, where some signs are markup. */
const payload = (c: Cue): string =>
  (c.speaker ? `<v ${c.speaker.replace(/[&<>\n]/g, ' ')}>` : '') + c.text.replace(/[&<>]/g, (s) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[s]!);

/** A real text track of a video, kept the same as a list of captions while that changes. */
export class CaptionTrack {
  readonly #track: TextTrack;
  #shown = new Map<number, { cue: Cue; vtt: VTTCue }>();

  constructor(video: HTMLVideoElement, language: string) {
    this.#track = video.addTextTrack('captions', 'Captions', language);
    this.#track.mode = 'showing';
  }

  /** Only what has changed is touched, because a long video has thousands of captions and typing changes one. */
  set(cues: readonly Cue[]): void {
    const gone = new Map(this.#shown);
    for (const cue of cues) {
      const old = this.#shown.get(cue.id);
      gone.delete(cue.id);
      if (old?.cue === cue) continue;
      if (old) this.#track.removeCue(old.vtt);
      this.#shown.delete(cue.id);
      if (cue.text.trim() === '') continue;
      const vtt = new VTTCue(cue.start / 1000, cue.end / 1000, payload(cue));
      this.#track.addCue(vtt);
      this.#shown.set(cue.id, { cue, vtt });
    }
    for (const [id, { vtt }] of gone) {
      this.#track.removeCue(vtt);
      this.#shown.delete(id);
    }
  }
}

/** The index of the last caption that starts at or before a moment in milliseconds; -1 before the first. */
export function lastStarted(cues: readonly Cue[], at: number): number {
  let low = 0;
  let high = cues.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cues[middle]!.start <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The id of the caption that is on the screen at a moment, or 0. */
export function shownAt(cues: readonly Cue[], at: number): number {
  const cue = cues[lastStarted(cues, at)];
  return cue && at < cue.end ? cue.id : 0;
}
