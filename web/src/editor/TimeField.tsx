import { useEffect, useId, useState } from 'react';
import { parseTime, stamp } from './time';

interface Props {
  label: string;
  value: number;
  /** Sets another time, or says why that is not possible. */
  onChange: (ms: number) => string | null;
}

/** A time that can be typed, or moved by the arrow keys: a tenth of a second, with Shift a whole one. */
export function TimeField({ label, value, onChange }: Props) {
  const [text, setText] = useState(stamp(value));
  const [error, setError] = useState<string | null>(null);
  const id = useId();
  useEffect(() => {
    setText(stamp(value));
    setError(null);
  }, [value]);
  const commit = () => {
    const ms = parseTime(text);
    if (ms === null) setError('Write a time such as 1:02.500.');
    else if (ms !== value) setError(onChange(ms));
    else setText(stamp(value));
  };
  return (
    <label className="field time-field">
      <span>{label}</span>
      <input
        value={text} inputMode="decimal" autoComplete="off" spellCheck={false} aria-invalid={error !== null} aria-describedby={error ? id : undefined}
        onChange={(e) => {
          setText(e.target.value);
          setError(null);
        }}
        onBlur={commit}
        onKeyDown={(e) => {
          if (e.key === 'Enter') commit();
          else if (!e.altKey && !e.ctrlKey && !e.metaKey && (e.key === 'ArrowUp' || e.key === 'ArrowDown')) {
            e.preventDefault();
            const step = (e.shiftKey ? 1000 : 100) * (e.key === 'ArrowUp' ? 1 : -1);
            setError(onChange(Math.max(0, value + step)));
          }
        }}
      />
      {error && <span id={id} className="field-error small" role="alert">{error}</span>}
    </label>
  );
}
