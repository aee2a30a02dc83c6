// The colours of what is drawn, which live.css names for light and dark pages.

const COLORS = 6;

/**
 * The colour of the n-th thing drawn.
 * @param {number} index
 */
export const color = (index) => `var(--dm-c${(index % COLORS) + 1})`;
