// Which addresses lead to this machine and no further.

/** Whether only programs on this machine can reach that host: `localhost`, 127.x.x.x, ::1 (in brackets or not). */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}
