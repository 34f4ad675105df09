import { connection } from '../api/connection';
import { useStore } from './store';

/** Says that the server is away for as long as it is. */
export function OfflineBanner() {
  const state = useStore(connection);
  return (
    <div className="banners" role="status">
      {state !== 'online' && (
        <p className="banner">
          {state === 'offline' ? 'You are offline.' : 'The server cannot be reached.'} What you have done stays here, and goes on by itself once the connection is back.
        </p>
      )}
    </div>
  );
}
