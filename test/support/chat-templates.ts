// Chat templates that behave as those of the families people run, with the control tokens of their vocabularies. Tests of
// the prompt side and of tool calling read them.
import {
  chatMl,
  deepseekR1,
  gemma2,
  gemma3,
  gemma4,
  gptOss,
  llama3,
  mistralV3,
  mistralV7,
  phi4Mini,
  qwen3,
  qwen25,
  smollm2,
  smollm3,
} from './chat-template-sources.ts';

/** A family's template, and the control tokens its vocabulary holds. */
export interface FamilyTemplate {
  source: string | undefined;
  /** Tokens that are matched only where the template wrote them. */
  controls: readonly string[];
  /** Tokens that libllama matches in any text. */
  userDefined: readonly string[];
  specials: { bos: string; eos: string };
}

const chatMlSpecials = { bos: '<|endoftext|>', eos: '<|im_end|>' };
const chatMlControls = ['<|im_start|>', '<|im_end|>', '<|endoftext|>'];

const hermesTokens = ['<tool_call>', '</tool_call>'];
const qwen3Tokens = [...hermesTokens, '<tool_response>', '</tool_response>', '<think>', '</think>'];
const llama3Of = (refuses: boolean): FamilyTemplate => ({
  source: llama3(refuses),
  controls: [
    '<|begin_of_text|>',
    '<|start_header_id|>',
    '<|end_header_id|>',
    '<|eot_id|>',
    '<|eom_id|>',
    '<|python_tag|>',
  ],
  userDefined: [],
  specials: { bos: '<|begin_of_text|>', eos: '<|eot_id|>' },
});
const mistralTokens = ['<s>', '</s>', '[INST]', '[/INST]', '[TOOL_CALLS]', '[AVAILABLE_TOOLS]', '[/AVAILABLE_TOOLS]'];
const mistralSpecials = { bos: '<s>', eos: '</s>' };
const gemmaOf = (source: string): FamilyTemplate => ({
  source,
  controls: ['<bos>', '<eos>', '<start_of_turn>', '<end_of_turn>'],
  userDefined: [],
  specials: { bos: '<bos>', eos: '<eos>' },
});

export const familyTemplates = {
  qwen25: { source: qwen25, controls: chatMlControls, userDefined: hermesTokens, specials: chatMlSpecials },
  qwen3: { source: qwen3, controls: chatMlControls, userDefined: qwen3Tokens, specials: chatMlSpecials },
  llama31: llama3Of(true),
  llama32: llama3Of(false),
  mistralV3: {
    source: mistralV3,
    controls: [...mistralTokens, '[TOOL_RESULTS]', '[/TOOL_RESULTS]'],
    userDefined: [],
    specials: mistralSpecials,
  },
  mistralV7: {
    source: mistralV7(false),
    controls: [
      ...mistralTokens,
      '[TOOL_RESULTS]',
      '[/TOOL_RESULTS]',
      '[SYSTEM_PROMPT]',
      '[/SYSTEM_PROMPT]',
      '[TOOL_CONTENT]',
      '[ARGS]',
    ],
    userDefined: [],
    specials: mistralSpecials,
  },
  mistralV11: {
    source: mistralV7(true),
    controls: [
      ...mistralTokens,
      '[TOOL_RESULTS]',
      '[/TOOL_RESULTS]',
      '[SYSTEM_PROMPT]',
      '[/SYSTEM_PROMPT]',
      '[TOOL_CONTENT]',
      '[ARGS]',
      '[CALL_ID]',
    ],
    userDefined: [],
    specials: mistralSpecials,
  },
  gemma2: gemmaOf(gemma2),
  gemma3: gemmaOf(gemma3),
  gemma4: {
    source: gemma4,
    controls: [
      '<bos>',
      '<eos>',
      '<|turn>',
      '<turn|>',
      '<|tool>',
      '<tool|>',
      '<|tool_call>',
      '<tool_call|>',
      '<|think|>',
    ],
    userDefined: ['<|channel>', '<channel|>', '<|"|>'],
    specials: { bos: '<bos>', eos: '<eos>' },
  },
  gptOss: {
    source: gptOss,
    controls: ['<|start|>', '<|end|>', '<|message|>', '<|channel|>', '<|return|>', '<|call|>', '<|constrain|>'],
    userDefined: [],
    specials: { bos: '<|startoftext|>', eos: '<|return|>' },
  },
  smollm2: { source: smollm2, controls: chatMlControls, userDefined: [], specials: chatMlSpecials },
  smollm3: {
    source: smollm3,
    controls: [...chatMlControls],
    userDefined: [...hermesTokens, '<think>', '</think>'],
    specials: chatMlSpecials,
  },
  deepseekR1: {
    source: deepseekR1,
    controls: [
      '<｜begin▁of▁sentence｜>',
      '<｜end▁of▁sentence｜>',
      '<｜User｜>',
      '<｜Assistant｜>',
      '<｜tool▁calls▁begin｜>',
      '<｜tool▁calls▁end｜>',
      '<｜tool▁call▁begin｜>',
      '<｜tool▁call▁end｜>',
      '<｜tool▁sep｜>',
      '<｜tool▁output▁begin｜>',
      '<｜tool▁output▁end｜>',
    ],
    userDefined: ['<think>', '</think>'],
    specials: { bos: '<｜begin▁of▁sentence｜>', eos: '<｜end▁of▁sentence｜>' },
  },
  phi4Mini: {
    source: phi4Mini,
    controls: [
      '<|endoftext|>',
      '<|end|>',
      '<|user|>',
      '<|assistant|>',
      '<|system|>',
      '<|tool|>',
      '<|/tool|>',
      '<|tool_call|>',
      '<|/tool_call|>',
    ],
    userDefined: [],
    specials: { bos: '<|endoftext|>', eos: '<|endoftext|>' },
  },
  chatMl: { source: chatMl, controls: chatMlControls, userDefined: [], specials: chatMlSpecials },
  base: { source: undefined, controls: ['<s>', '</s>'], userDefined: [], specials: { bos: '<s>', eos: '</s>' } },
} satisfies Record<string, FamilyTemplate>;

export type FamilyName = keyof typeof familyTemplates;
export const familyNames = Object.keys(familyTemplates) as FamilyName[];
