// One clock for all processes of this bench: the monotonic one of the system, in milliseconds.

export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;
