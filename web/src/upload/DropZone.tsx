import { useEffect, useState } from 'react';
import { Icon } from '../ui/Icon';
import { choose } from './chosen';

/** Lets files be dropped anywhere on the page. */
export function DropZone() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const withFiles = (e: DragEvent) => e.dataTransfer?.types.includes('Files') ?? false;
    const enter = (e: DragEvent) => {
      if (!withFiles(e)) return;
      depth++;
      setOver(true);
    };
    const leave = (e: DragEvent) => {
      if (withFiles(e) && --depth <= 0) setOver(false);
    };
    const move = (e: DragEvent) => withFiles(e) && e.preventDefault();
    const drop = (e: DragEvent) => {
      if (!withFiles(e)) return;
      e.preventDefault();
      depth = 0;
      setOver(false);
      choose(e.dataTransfer!.files);
    };
    addEventListener('dragenter', enter);
    addEventListener('dragleave', leave);
    addEventListener('dragover', move);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragenter', enter);
      removeEventListener('dragleave', leave);
      removeEventListener('dragover', move);
      removeEventListener('drop', drop);
    };
  }, []);
  return over ? <div className="drop-zone"><div><Icon name="upload" /><p>Drop to caption</p></div></div> : null;
}
