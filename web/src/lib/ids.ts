// Ids for conversations and messages. `crypto.randomUUID` exists only in secure contexts, and this page is also opened
// as http://192.168.… from a phone, so random bytes are drawn by hand.

/** A random id of 16 characters from [0-9a-z] (about 80 bits). */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => (byte % 32).toString(36)).join('');
}
