import type { ButtonHTMLAttributes } from 'react';
import { Icon, type IconName } from './Icon';

type Props = ButtonHTMLAttributes<HTMLButtonElement> & {
  look?: 'primary' | 'second' | 'plain' | 'danger';
  icon?: IconName;
  /** Shows the icon alone; the label is for those who do not see it, and for the tooltip. */
  label?: string;
  keys?: string;
};

export function Button({ look = 'second', icon, label, keys, className, children, ...rest }: Props) {
  const title = label && keys ? `${label} (${keys})` : (label ?? rest.title ?? (keys && `Shortcut: ${keys}`));
  return (
    <button type="button" aria-label={label} {...rest} title={title} className={['button', look, label ? 'iconic' : '', className ?? ''].join(' ').trim()}>
      {icon && <Icon name={icon} />}
      {!label && children}
    </button>
  );
}
