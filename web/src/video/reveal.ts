/** Scrolls a list, and nothing but the list, so that one of its captions can be read with some of what follows. */
export function reveal(list: HTMLElement | null, id: number): void {
  const row = list?.querySelector<HTMLElement>(`[data-cue="${id}"]`);
  if (!list || !row) return;
  const box = list.getBoundingClientRect();
  const { top, bottom } = row.getBoundingClientRect();
  if (top >= box.top + 8 && bottom <= box.bottom - box.height / 4) return;
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  list.scrollBy({ top: top - box.top - box.height / 3, behavior: calm || Math.abs(top - box.top) > box.height * 2 ? 'instant' : 'smooth' });
}
