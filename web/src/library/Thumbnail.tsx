import { useEffect, useRef, useState } from 'react';
import type { ListedJob } from '../api/client';
import { useMedia } from '../captions/useMedia';
import { clock } from '../editor/time';
import { Icon } from '../ui/Icon';

/** A frame of the video, fetched only once it comes into view. Sound, and what the browser cannot play, gets a sign instead. */
export function Thumbnail({ job }: { job: ListedJob }) {
  const box = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState(false);
  const [picture, setPicture] = useState<'coming' | 'there' | 'none'>('coming');
  useEffect(() => {
    const watch = new IntersectionObserver(([entry]) => entry?.isIntersecting && setSeen(true), { rootMargin: '200px' });
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  const { media } = useMedia(job.upload_id, seen);
  const second = job.duration ? Math.min(job.duration / 4, 10) : 1;
  return (
    <div className="thumbnail" ref={box}>
      {(picture !== 'there' || media.kind !== 'ready') && <Icon name="sound" />}
      {media.kind === 'ready' && picture !== 'none' && (
        <video
          src={`${media.url}#t=${second.toFixed(1)}`}
          preload="metadata"
          muted
          playsInline
          tabIndex={-1}
          aria-hidden="true"
          className={picture === 'there' ? 'there' : ''}
          onLoadedData={(e) => setPicture(e.currentTarget.videoWidth > 0 ? 'there' : 'none')}
          onError={() => setPicture('none')}
        />
      )}
      {job.duration !== null && <span className="length"><span className="unseen">Length </span>{clock(job.duration * 1000)}</span>}
    </div>
  );
}
