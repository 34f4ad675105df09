import { type ReactNode, useEffect, useRef, useState } from 'react';
import { Button } from './Button';
import type { IconName } from './Icon';

/** A button that opens a small panel below itself. It closes by Escape, by a click elsewhere, and when the focus leaves. */
export function Menu({ name, icon, children }: { name: string; icon: IconName; children: (close: () => void) => ReactNode }) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const close = () => setOpen(false);
  useEffect(() => {
    if (!open) return;
    const away = (e: PointerEvent) => !box.current?.contains(e.target as Node) && setOpen(false);
    addEventListener('pointerdown', away);
    return () => removeEventListener('pointerdown', away);
  }, [open]);
  return (
    <div
      className="menu"
      ref={box}
      onKeyDown={(e) => {
        if (e.key !== 'Escape' || !open) return;
        close();
        box.current?.querySelector('button')?.focus();
      }}
      onBlur={(e) => {
        if (e.relatedTarget && !box.current?.contains(e.relatedTarget)) close();
      }}
    >
      <Button icon={icon} aria-expanded={open} onClick={() => setOpen(!open)}>{name}</Button>
      {open && <div className="menu-panel">{children(close)}</div>}
    </div>
  );
}
