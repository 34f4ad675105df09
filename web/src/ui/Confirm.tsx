import type { ReactNode } from 'react';
import { Button } from './Button';
import { Dialog } from './Dialog';

export function Confirm(props: { title: string; yes: string; children: ReactNode; onYes: () => void; onClose: () => void }) {
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      {props.children}
      <div className="row end">
        <Button onClick={props.onClose}>Keep it</Button>
        <Button look="danger" onClick={props.onYes}>{props.yes}</Button>
      </div>
    </Dialog>
  );
}
