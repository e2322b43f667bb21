/** Whether the device is operated by touch alone: no hover, no fine pointer, and most likely a keyboard on the screen. */
export const touchOnly = (): boolean => matchMedia('(hover: none) and (pointer: coarse)').matches;
