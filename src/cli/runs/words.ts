// Numbers of a run as people read them.

/** `12,345` */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** `1.742`, `12.3`; `–` where there is none. */
export function loss(value: number | undefined): string {
  if (value === undefined || value === null) return '–';
  if (!Number.isFinite(value)) return String(value);
  return value < 10 ? value.toFixed(3) : value.toFixed(1);
}

/** `41.2 k`, `850`: tokens a second. */
export function rate(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  return value >= 1000 ? `${(value / 1000).toFixed(value >= 99_950 ? 0 : 1)} k` : String(Math.round(value));
}

/** `71 %` */
export function percent(share: number | undefined): string {
  return share === undefined || !Number.isFinite(share) ? '–' : `${Math.round(share * 100)} %`;
}
