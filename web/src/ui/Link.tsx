import type { AnchorHTMLAttributes, MouseEvent } from 'react';
import { go } from '../screens/router';

/** A link within the app: a plain click stays in the page, all others are the browser's. */
export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const click = (e: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(e);
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    e.preventDefault();
    go(href);
    scrollTo(0, 0);
  };
  return <a href={href} onClick={click} {...rest} />;
}
