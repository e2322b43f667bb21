// Keeps a growing list scrolled to its end as long as the reader is there, and leaves the reader alone once they scroll up.
// A resize observer runs before the paint, so the page never shows the jump.
import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from 'react';

const nearPx = 48;

export interface StickToBottom {
  scroller: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  /** Whether the end is in view; false offers a way back to it. */
  atBottom: boolean;
  toBottom: (behaviour?: ScrollBehavior) => void;
}

export function useStickToBottom(): StickToBottom {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const stuck = useRef(true);
  const [atBottom, setAtBottom] = useState(true);

  const toBottom = useCallback((behavior: ScrollBehavior = 'instant') => {
    stuck.current = true;
    setAtBottom(true);
    scroller.current?.scrollTo({ top: scroller.current.scrollHeight, behavior });
  }, []);

  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box || !content.current) return;
    let lastTop = box.scrollTop;
    const onScroll = () => {
      const near = box.scrollHeight - box.scrollTop - box.clientHeight < nearPx;
      // only a reader scrolls upwards; growing content and this hook never do
      if (near) stuck.current = true;
      else if (box.scrollTop < lastTop - 1) stuck.current = false;
      lastTop = box.scrollTop;
      setAtBottom(near || stuck.current);
    };
    const onWheel = (event: WheelEvent) => {
      // at once, before a fast answer pulls the page down again
      if (event.deltaY < 0 && box.scrollTop > 0 && box.scrollHeight > box.clientHeight) stuck.current = false;
    };
    const follow = new ResizeObserver(() => {
      if (stuck.current) box.scrollTop = box.scrollHeight;
      else setAtBottom(box.scrollHeight - box.scrollTop - box.clientHeight < nearPx);
    });
    box.addEventListener('scroll', onScroll, { passive: true });
    box.addEventListener('wheel', onWheel, { passive: true });
    follow.observe(content.current);
    follow.observe(box);
    return () => {
      box.removeEventListener('scroll', onScroll);
      box.removeEventListener('wheel', onWheel);
      follow.disconnect();
    };
  }, []);

  return { scroller, content, atBottom, toBottom };
}
