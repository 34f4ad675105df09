import { useEffect } from 'react';
import { Failure, messageOf } from '../api/failure';
import { Button } from './Button';
import { Icon } from './Icon';

/** Stands where something could not be loaded. Where the server could not be reached, it tries again by itself. */
export function Problem({ error, again }: { error: unknown; again?: () => void }) {
  const lost = error instanceof Failure && error.status === 0;
  useEffect(() => {
    if (!lost || !again) return;
    const timer = setTimeout(again, 3000);
    return () => clearTimeout(timer);
  }, [lost, again, error]);
  return (
    <div className="problem" role="alert">
      <Icon name="warning" />
      <p>{messageOf(error)}</p>
      {again && <Button icon="retry" onClick={again}>Try again</Button>}
    </div>
  );
}
