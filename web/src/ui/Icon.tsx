/** The icons of the app, on a grid of 24, drawn with one stroke. They are decoration: what they mean stands beside them or in a label. */
const paths = {
  upload: 'M12 16V4m0 0L7 9m5-5 5 5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3',
  download: 'M12 4v12m0 0 5-5m-5 5-5-5M4 20h16',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14Zm5-2 4.5 4.5',
  close: 'm6 6 12 12M18 6 6 18',
  trash: 'M4 7h16M10 4h4M6 7l1 13h10l1-13M10 11v5m4-5v5',
  retry: 'M19 12a7 7 0 1 1-2-5l2 2m0-4v4h-4',
  stop: 'M6 6h12v12H6z',
  pause: 'M8 5v14M16 5v14',
  play: 'm8 5 11 7-11 7z',
  edit: 'M4 20h4L19 9l-4-4L4 16z',
  link: 'M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700l-1 1M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700l1-1',
  undo: 'M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3',
  redo: 'm15 14 5-5-5-5m5 5H10a6 6 0 0 0 0 12h3',
  split: 'M12 3v18M8 8l-4 4 4 4m8-8 4 4-4 4',
  merge: 'M3 12h7m-3-4 4 4-4 4m14-4h-7m3-4-4 4 4 4',
  plus: 'M12 5v14M5 12h14',
  shift: 'M3 12h18m0 0-4-4m4 4-4 4M3 6v12',
  people: 'M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7Zm-6 9c0-3.500 2.500-6 6-6s6 2.500 6 6m1-16a3.500 3.500 0 0 1 0 7m2 3c2 .8 3 3 3 6',
  revert: 'M4 5v5h5M4.500 10A8 8 0 1 1 4 14',
  keyboard: 'M3 7h18v11H3zM7 11h.01M11 11h.01M15 11h.01M8 15h8',
  warning: 'M12 4 2.500 20h19zM12 10v4m0 3h.01',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2v2m0 16v2M2 12h2m16 0h2M5 5l1.400 1.400m11.200 11.200L19 19M5 19l1.400-1.400M17.600 6.400 19 5',
  moon: 'M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10Z',
  auto: 'M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18',
  leave: 'M10 4H5v16h5m4-4 4-4-4-4m4 4H9',
  sound: 'M4 10v4h4l5 4V6L8 10zM16 9a4 4 0 0 1 0 6m2.500-8.500a8 8 0 0 1 0 11',
  back: 'm14 6-6 6 6 6',
  up: 'm6 15 6-6 6 6',
  down: 'm6 9 6 6 6-6',
  check: 'm5 12 5 5 9-10',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
