// A family's way to write calls, laid out for the tools of one request: all texts that may stand before the arguments, and
// what surrounds them. Where a control token is part of it, what is left of it goes by token, the rest by grammar. Spelled
// texts only (spelling.ts).
import { withoutBlanks } from './markers.ts';
import { isMarker } from './spelling.ts';
import { nameIn, type ToolSyntax } from './syntax.ts';

/** The text up to the arguments of a tool. */
export interface Header {
  text: string;
  /** Its place among the tools. */
  tool: number;
}

export interface CallPlan {
  names: readonly string[];
  /** From this text on it is a call; empty: a call is told by its JSON. */
  commit: string;
  /** Control tokens that announce a call. */
  leads: readonly string[];
  /** Headers of the first call. */
  first: readonly Header[];
  /** Headers of a further call, the separator included. */
  next: readonly Header[];
  /** Headers of the first call without blanks, where a call is told by its JSON. */
  bare: readonly Header[];
  /** What of the text before the arguments belongs to their grammar: all behind the last control token. */
  before: string;
  /** What of the text after the arguments belongs to their grammar: all before the first control token. */
  after: string;
  /** The rest of the text after the arguments. */
  footer: string;
  /** Ends the calls. */
  close: string;
  /** Whether an answer may, must or must not call. */
  choice: 'may' | 'must' | 'never';
  /** Whether it may call more than once. */
  parallel: boolean;
}

export interface CallPlanOptions {
  syntax: ToolSyntax;
  names: readonly string[];
  choice: CallPlan['choice'];
  parallel: boolean;
  /** From text to its spelling. */
  spell: (text: string) => string;
}

export function planCalls({ syntax, names, choice, parallel, spell }: CallPlanOptions): CallPlan {
  const beforeArguments = spell(syntax.beforeArguments);
  const callClose = spell(syntax.callClose);
  const split = [...beforeArguments].findLastIndex(isMarker) + 1;
  const firstMarker = [...callClose].findIndex(isMarker);
  const after = firstMarker < 0 ? callClose : callClose.slice(0, firstMarker);
  const separator = spell(syntax.separator);
  const headers = (open: string) =>
    names.map((name, tool) => ({
      text: open + spell(syntax.callOpen) + spell(nameIn(syntax, name)) + beforeArguments.slice(0, split),
      tool,
    }));
  const opens = [syntax.callOpen, ...(syntax.alsoOpens ?? [])];
  return {
    names,
    commit: spell(syntax.marker),
    leads: syntax.leads.map(spell).filter((text) => text.length === 1 && isMarker(text)),
    first: headers(spell(syntax.open)),
    next: [...headers(separator), ...(separator !== '' && separator.trim() === '' ? headers('') : [])],
    bare:
      syntax.marker !== ''
        ? []
        : opens.flatMap((open) =>
            names.map((name, tool) => ({ text: withoutBlanks(spell(open) + spell(nameIn(syntax, name))), tool })),
          ),
    before: beforeArguments.slice(split),
    after,
    footer: callClose.slice(after.length),
    close: spell(syntax.close),
    choice,
    parallel,
  };
}
