export function Logo() {
  return (
    <span className="logo">
      <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <rect width="32" height="32" rx="8" className="logo-ground" />
        <rect x="6" y="16.5" width="12" height="3.5" rx="1.75" className="logo-mark" />
        <rect x="20" y="16.5" width="6" height="3.5" rx="1.75" className="logo-rest" />
        <rect x="6" y="22.5" width="7" height="3.5" rx="1.75" className="logo-rest" />
        <rect x="15" y="22.5" width="11" height="3.5" rx="1.75" className="logo-mark" />
      </svg>
      captions
    </span>
  );
}
