// From the content blocks of an Anthropic message to canonical ones: who may send which, and what each becomes. Whether
// calls of tools and their results belong together is `tool-turns.ts`. Pure.
import type { Block, TextBlock, ToolResultBlock } from '../../lib/text-model.ts';
import { imagesRefused } from '../images.ts';
import {
  type GivenBlock,
  type GivenDocument,
  type GivenSearchResult,
  type GivenToolResult,
  serverBlocks,
} from './blocks-schema.ts';
import { asText, documentOf, type RequestFiles, searchResultOf } from './documents.ts';
import { invalid, type Path, unsupported } from './errors-at.ts';
import { callId } from './ids.ts';

export interface BlockContext {
  role: 'user' | 'assistant';
  files: RequestFiles;
  /** Whether thoughts still belong to the turn that is being answered; those of earlier turns are left out. */
  keepThoughts: boolean;
}

const byAssistant: ReadonlySet<string> = new Set(['tool_use', 'thinking', 'redacted_thinking']);
const byUser: ReadonlySet<string> = new Set(['image', 'document', 'search_result', 'tool_result']);
const byServer: ReadonlySet<string> = new Set(serverBlocks);

/**
 * @returns nothing for blocks that say nothing to a model
 * @throws FreeholdError invalid_request or unsupported, naming the block
 */
export function blocksOf(given: GivenBlock, path: Path, context: BlockContext): Block[] {
  if (byServer.has(given.type)) {
    throw unsupported(path, `Blocks of type '${given.type}' come from tools that the vendor runs; none run here.`);
  }
  const { role } = context;
  if ((role === 'user' && byAssistant.has(given.type)) || (role === 'assistant' && byUser.has(given.type))) {
    const right = role === 'user' ? 'assistant' : 'user';
    throw invalid(path, `Blocks of type '${given.type}' can only be in messages of role '${right}'.`);
  }
  switch (given.type) {
    case 'text':
      if (given.text === '') throw invalid([...path, 'text'], 'Must not be empty');
      return [{ type: 'text', text: given.text }];
    case 'image':
      throw imagesRefused(path, 'dots');
    case 'document':
      return [documentOf(given, path, context.files)];
    case 'search_result':
      return [searchResultOf(given, path)];
    case 'thinking':
      return context.keepThoughts && given.thinking !== '' ? [{ type: 'thinking', text: given.thinking }] : [];
    case 'redacted_thinking':
      // nobody here can read it
      return [];
    case 'tool_use':
      return [{ type: 'tool-use', id: callId(given.id), name: given.name, input: given.input }];
    case 'tool_result':
      return [toolResultOf(given, path, context.files)];
    default:
      return [];
  }
}

function toolResultOf(given: GivenToolResult, path: Path, files: RequestFiles): ToolResultBlock {
  const text = (value: string): TextBlock[] => (value === '' ? [] : [{ type: 'text', text: value }]);
  const parts = typeof given.content === 'string' ? text(given.content) : (given.content ?? []);
  const content = parts.flatMap((part, index): TextBlock[] => {
    const at = [...path, 'content', index];
    switch (part.type) {
      case 'text':
        return text(part.text);
      case 'image':
        throw imagesRefused(at, 'dots');
      case 'document':
        return text(asText(documentOf(part as GivenDocument, at, files)));
      case 'search_result':
        return text(asText(searchResultOf(part as GivenSearchResult, at)));
      case 'tool_reference':
        throw unsupported(at, "Blocks of type 'tool_reference' belong to tool search, which is not supported.");
      default:
        return part satisfies never;
    }
  });
  const result: ToolResultBlock = { type: 'tool-result', toolUseId: callId(given.tool_use_id), content };
  if (given.is_error) result.isError = true;
  return result;
}
