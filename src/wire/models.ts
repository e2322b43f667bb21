/** A model as the lists of all protocols show it. */
export interface ServedModel {
  /** Name to ask for it by. */
  id: string;
  /** Name for people. */
  title: string;
  /** When it came here, seconds since 1970; 0 when unknown. */
  createdSeconds: number;
  /** Who published it, or where it comes from. */
  owner: string;
  /** Our additions: state, size, context and whatever else is known; under `freehold` in every protocol. */
  details: Record<string, unknown>;
}
