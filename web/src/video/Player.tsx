import { useEffect, useRef, useState } from 'react';
import type { Media } from '../captions/useMedia';
import type { Cue } from '../editor/cues';
import { Problem } from '../ui/Problem';
import { CaptionTrack } from './captionTrack';

/** What others may do with the player. */
export interface Control {
  time(): number;
  seek(ms: number): void;
  toggle(): void;
}

interface Props {
  media: Media;
  renew: () => void;
  cues: readonly Cue[];
  language: string;
  title: string;
  /** The second to begin at. */
  start: number;
  onTime: (ms: number) => void;
  control: { current: Control | null };
}

export function Player({ media, renew, cues, language, title, start, onTime, control }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const track = useRef<CaptionTrack | null>(null);
  const resume = useRef(start);
  const [broken, setBroken] = useState(false);
  const url = media.kind === 'ready' ? media.url : undefined;

  useEffect(() => {
    track.current ??= video.current && new CaptionTrack(video.current, language);
    track.current?.set(cues);
  }, [cues, language, url]);

  useEffect(() => {
    control.current = {
      time: () => Math.round((video.current?.currentTime ?? 0) * 1000),
      seek(ms) {
        // A hair after the start, so that rounding does not show the caption before.
        if (video.current) video.current.currentTime = ms / 1000 + 0.01;
      },
      toggle() {
        const v = video.current;
        if (v) void (v.paused ? v.play().catch(() => undefined) : v.pause());
      },
    };
    return () => {
      control.current = null;
    };
  }, [control]);

  const onError = () => {
    // An address that has run out is no fault of the video.
    if (media.kind === 'ready' && media.expires <= Date.now()) {
      resume.current = video.current?.currentTime ?? 0;
      renew();
    } else setBroken(true);
  };

  if (media.kind === 'failed') return <div className="stage"><Problem error={media.error} again={renew} /></div>;
  if (media.kind === 'gone') return <div className="stage"><p>The video is not on the server any more. Its captions are.</p></div>;
  return (
    <div className="stage">
      <video
        ref={video}
        src={url}
        controls
        playsInline
        preload="metadata"
        aria-label={title}
        hidden={broken}
        onLoadedMetadata={(e) => {
          if (resume.current > 0) e.currentTarget.currentTime = resume.current;
          resume.current = 0;
        }}
        onTimeUpdate={(e) => onTime(e.currentTarget.currentTime * 1000)}
        onSeeking={(e) => onTime(e.currentTarget.currentTime * 1000)}
        onError={onError}
      />
      {broken && <p>Your browser cannot play this kind of file. Its captions are made all the same.</p>}
    </div>
  );
}
