// Numbers as people read them. Used by the CLI, messages and logs; programs get raw numbers through --json.

/** `92.9 MB`, `1.4 GB`: decimal units, as disks and hubs print them. */
export function formatBytes(sizeBytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = sizeBytes;
  let unit = 0;
  while (Math.abs(value) >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `45 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatDuration(durationSeconds: number): string {
  if (!Number.isFinite(durationSeconds)) return 'unknown';
  const seconds = Math.max(0, Math.round(durationSeconds));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** `135 M`, `7.6 B`: parameter counts. */
export function formatCount(count: number): string {
  for (const [size, unit] of [
    [1e12, 'T'],
    [1e9, 'B'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (count >= size * 0.9995)
      return `${count / size >= 99.95 ? Math.round(count / size) : Number((count / size).toFixed(1))} ${unit}`;
  }
  return String(count);
}
