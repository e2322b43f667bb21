// Whether a load gets on, told from what it costs: time on a processor, pages and blocks read, memory filled. A load that
// waits for a disk that does not answer costs nothing. Knows nothing of what is loaded.

/** Less is what asking costs. */
const leastCpuMicroseconds = 10_000;
const leastBytes = 1 << 20;

/** @returns a question: did this process do some work since it was asked last, or since now? */
export function createLoadProgress(): () => boolean {
  let last = used();
  return () => {
    const before = last;
    last = used();
    return (
      last.cpuMicroseconds - before.cpuMicroseconds >= leastCpuMicroseconds ||
      last.reads > before.reads ||
      Math.abs(last.residentBytes - before.residentBytes) >= leastBytes
    );
  };
}

function used(): { cpuMicroseconds: number; reads: number; residentBytes: number } {
  const { userCPUTime, systemCPUTime, majorPageFault, fsRead } = process.resourceUsage();
  return {
    cpuMicroseconds: userCPUTime + systemCPUTime,
    reads: majorPageFault + fsRead,
    residentBytes: process.memoryUsage.rss(),
  };
}
