import { type ReactNode, useRef } from 'react';
import { Button } from '../ui/Button';
import { choose } from './chosen';

const accept = 'video/*,audio/*,.mkv,.avi,.ts,.mts,.m2ts,.flv,.opus,.flac,.m4a';

export function FileButton({ look, children }: { look: 'primary' | 'second'; children?: ReactNode }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <Button look={look} icon="upload" onClick={() => input.current!.click()}>{children ?? 'Upload'}</Button>
      <input
        ref={input}
        type="file"
        multiple
        accept={accept}
        hidden
        aria-label="Video or sound files"
        onChange={(e) => {
          choose(e.target.files ?? []);
          e.target.value = '';
        }}
      />
    </>
  );
}
