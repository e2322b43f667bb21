// Which key press sends a message. Enter does, with three exceptions: Shift+Enter begins a line; Enter that ends an
// input-method composition belongs to that; and on-screen keyboards have no Shift+Enter, so there Enter begins a line too.
import type { KeyboardEvent } from 'react';
import { touchOnly } from '../ui/touch.ts';

export function isSendKey(event: KeyboardEvent): boolean {
  if (event.key !== 'Enter' || event.shiftKey || event.altKey) return false;
  // Safari ends a composition with a key press that no longer says it is composing, but still has key code 229
  if (event.nativeEvent.isComposing || event.keyCode === 229) return false;
  return event.ctrlKey || event.metaKey || !touchOnly();
}
