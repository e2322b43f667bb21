// Ids of tool calls: the engine's `call_X` is `tooluse_X` to clients of the vendor, and back again. Pure.

/** As a client of the vendor expects it. */
export const toolUseId = (id: string): string => (id.startsWith('call_') ? `tooluse_${id.slice(5)}` : id);

/** As the engine knows it; ids that are not the vendor's stay what they are. */
export const callId = (id: string): string => (id.startsWith('tooluse_') ? `call_${id.slice(8)}` : id);
