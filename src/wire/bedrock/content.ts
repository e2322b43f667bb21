// From the messages of Converse to canonical ones: who may send which block, what each becomes, and whether calls of tools
// and their results belong together. Pure.
import type { Block, Message, TextBlock, ToolResultBlock } from '../../lib/text-model.ts';
import { imagesRefused } from '../images.ts';
import { asText, documentOf, searchResultOf } from './documents.ts';
import { invalid, type Path, unsupported } from './errors-at.ts';
import { callId } from './ids.ts';
import type { GivenBlock, GivenMessage, GivenToolResult } from './schema.ts';

/** Members of a block that are known; one of them is set. */
const members = [
  'text',
  'document',
  'searchResult',
  'toolUse',
  'toolResult',
  'reasoningContent',
  'citationsContent',
  'cachePoint',
  'image',
  'video',
  'audio',
  'guardContent',
  'toolAddition',
  'toolRemoval',
] as const;
type Member = (typeof members)[number];

/** Why a member is refused. */
const refusals: Partial<Record<Member, string>> = {
  video: 'Local models cannot read videos.',
  audio: 'Local models cannot hear.',
  guardContent: 'There are no guardrails here.',
  toolAddition: 'Tools that come and go within a conversation are not supported.',
  toolRemoval: 'Tools that come and go within a conversation are not supported.',
};
const byAssistant: readonly Member[] = ['toolUse', 'reasoningContent', 'citationsContent'];
const byUser: readonly Member[] = ['document', 'searchResult', 'toolResult'];

/**
 * @returns the turns, and system text that stood among them
 * @throws FreeholdError invalid_request or unsupported, naming the block
 */
export function turnsOf(given: readonly GivenMessage[]): { messages: Message[]; system: string[] } {
  // thoughts are part of the turn that is being answered, which begins with the last thing said that is no tool's result
  const asked = given.findLastIndex(({ role, content }) => role === 'user' && !content.some((each) => each.toolResult));
  const system: string[] = [];
  const messages: Message[] = [];
  given.forEach(({ role, content }, index) => {
    const path = ['messages', index, 'content'];
    if (content.length === 0 && !(index === given.length - 1 && role === 'assistant')) {
      throw invalid(path, 'Messages must not be empty, save for a final assistant message.');
    }
    if (role === 'system') {
      system.push(...content.map((block, at) => systemText(block, [...path, at])));
      return;
    }
    const blocks = content.flatMap((block, at) => blocksOf(block, [...path, at], role, index > asked));
    // what is left without content, such as a turn of thoughts only, is no turn
    if (blocks.some(({ type }) => type !== 'thinking')) messages.push({ role, content: resultsFirst(blocks) });
  });
  requirePairs(given);
  if (messages.length === 0) throw invalid(['messages'], 'There is nothing to answer: no message says anything.');
  return { messages, system };
}

function systemText({ text }: GivenBlock, path: Path): string {
  if (typeof text === 'string') return text;
  throw invalid(path, 'System messages hold text only.');
}

/** What a user says beside the results of tools comes after them, as templates have it. */
function resultsFirst(blocks: Block[]): Block[] {
  const results = blocks.filter(({ type }) => type === 'tool-result');
  return results.length === 0 ? blocks : [...results, ...blocks.filter(({ type }) => type !== 'tool-result')];
}

function blocksOf(given: GivenBlock, path: Path, role: 'user' | 'assistant', keepThoughts: boolean): Block[] {
  const set = members.filter((name) => given[name] !== undefined && given[name] !== null);
  const [member] = set;
  if (member === undefined || set.length > 1) {
    throw invalid(
      path,
      `A content block has exactly one of: ${members.join(', ')}; this one has ${set.join(', ') || 'none'}.`,
    );
  }
  if (member === 'image') throw imagesRefused(path, 'dots');
  const refusal = refusals[member];
  if (refusal !== undefined) throw unsupported([...path, member], refusal);
  if ((role === 'user' ? byAssistant : byUser).includes(member)) {
    const right = role === 'user' ? 'assistant' : 'user';
    throw invalid([...path, member], `Only messages of role '${right}' hold it.`);
  }
  const {
    text,
    document,
    searchResult,
    toolUse,
    toolResult,
    reasoningContent: thought,
    citationsContent: cited,
  } = given;
  if (typeof text === 'string') {
    if (text === '')
      throw invalid([...path, 'text'], 'The text field in the ContentBlock object is blank.', 'Add text to it.');
    return [{ type: 'text', text }];
  }
  if (document) return [documentOf(document, [...path, 'document'])];
  if (searchResult) return [searchResultOf(searchResult, [...path, 'searchResult'])];
  if (toolUse)
    return [{ type: 'tool-use', id: callId(toolUse.toolUseId), name: toolUse.name, input: toolUse.input ?? {} }];
  if (toolResult) return [toolResultOf(toolResult, [...path, 'toolResult'])];
  if (thought) {
    const thoughts = thought.reasoningText?.text ?? '';
    return keepThoughts && thoughts !== '' ? [{ type: 'thinking', text: thoughts }] : [];
  }
  // a cache point says nothing to a model: what can be cached is, without being asked
  return (cited?.content ?? []).flatMap((part) => textBlock(part.text ?? ''));
}

const textBlock = (text: string): TextBlock[] => (text === '' ? [] : [{ type: 'text', text }]);

function toolResultOf(given: GivenToolResult, path: Path): ToolResultBlock {
  const content = given.content.flatMap((part, index): TextBlock[] => {
    const at = [...path, 'content', index];
    if (part.image) throw imagesRefused(at, 'dots');
    if (part.video) throw unsupported([...at, 'video'], 'Local models cannot read videos.');
    if (part.document) return textBlock(asText(documentOf(part.document, [...at, 'document'])));
    if (part.searchResult) return textBlock(asText(searchResultOf(part.searchResult, [...at, 'searchResult'])));
    if (typeof part.text === 'string') return textBlock(part.text);
    if (part.json !== undefined) return textBlock(JSON.stringify(part.json));
    throw invalid(at, 'A block of a tool result has one of: text, json, document, searchResult.');
  });
  const result: ToolResultBlock = { type: 'tool-result', toolUseId: callId(given.toolUseId), content };
  if (given.status === 'error') result.isError = true;
  return result;
}

/**
 * Each call is answered in the turn right after it, once, and no result comes without its call; several messages of one
 * role are one turn.
 * @throws FreeholdError invalid_request, naming the message or block at fault
 */
function requirePairs(given: readonly GivenMessage[]): void {
  const known = new Set<string>();
  let open = new Set<string>();
  let [callsAt, before] = [0, ''];
  const requireAnswered = () => {
    if (open.size === 0) return;
    throw invalid(
      ['messages', callsAt],
      `Expected toolResult blocks in the next message for the following ids: ${[...open].slice(0, 10).join(', ')}.`,
    );
  };
  given.forEach(({ role, content }, index) => {
    if (role === 'system') return;
    if (role === 'assistant' && before !== 'assistant') {
      requireAnswered();
      open = new Set();
    }
    before = role;
    content.forEach(({ toolUse, toolResult }, at) => {
      const path: Path = ['messages', index, 'content', at];
      if (role === 'assistant' && toolUse) {
        const id = callId(toolUse.toolUseId);
        if (known.has(id))
          throw invalid([...path, 'toolUse', 'toolUseId'], 'The ids of toolUse blocks must be unique.');
        known.add(id);
        open.add(id);
        callsAt = index;
      } else if (toolResult && !open.delete(callId(toolResult.toolUseId))) {
        const message = `There is no toolUse block ${toolResult.toolUseId} in the turn before, or it has a result already.`;
        throw invalid([...path, 'toolResult', 'toolUseId'], message);
      }
    });
  });
  requireAnswered();
}
