// Waiting for a promise, but not for ever.

/**
 * Waits until a promise is settled, at most so long.
 * @returns whether it was fulfilled in that time
 * @throws what it is rejected with in that time; later nobody hears of it
 */
export async function settledWithin(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
