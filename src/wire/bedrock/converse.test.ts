import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConverse, parseConversePrompt } from './converse.ts';

const context = { tenant: 't', traceId: 'trace' };
const route = { model: 'm', stream: false };
const user = { role: 'user', content: [{ text: 'hi' }] };
const parse = (changes: object) => parseConverse({ messages: [user], ...changes }, route, context);
const says = (content: object[], role = 'user') => ({ messages: [{ role, content }] });
const tool = (name: string) => ({ toolSpec: { name, inputSchema: { json: { type: 'object' } } } });
const call = (toolUseId: string) => ({
  role: 'assistant',
  content: [{ toolUse: { toolUseId, name: 'f', input: {} } }],
});
const result = (toolUseId: string) => ({
  role: 'user',
  content: [{ toolResult: { toolUseId, content: [{ text: 'r' }] } }],
});
const thinking = { type: 'enabled', budget_tokens: 100 };
const jsonSchema = (schema: string) => ({ textFormat: { type: 'json_schema', structure: { jsonSchema: { schema } } } });

describe('a request', () => {
  it('leaves out what was not given', () => {
    expect(parse({})).toEqual({
      ...route,
      request: {
        messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
        thinking: { type: 'disabled' },
        sampling: {},
        ...context,
      },
      showThoughts: false,
      showStopSequence: false,
    });
  });

  it('may hold what a later release brings', () => {
    const content = [{ text: 'hi', someNewField: 1 }];
    expect(
      parse({ ...says(content), anotherField: { a: 1 }, serviceTier: { type: 'flex' } }).request.messages,
    ).toHaveLength(1);
  });

  it('joins system texts, also those amid the messages', () => {
    const given = {
      system: [{ text: 'one' }, { cachePoint: { type: 'default' } }],
      messages: [user, { role: 'system', content: [{ text: 'two' }] }, user],
    };
    expect(parse(given).request).toMatchObject({ system: [{ type: 'text', text: 'one\n\ntwo' }], messages: [{}, {}] });
  });

  it('keeps thoughts of the turn that is being answered, and drops those of earlier ones', () => {
    const thought = { reasoningContent: { reasoningText: { text: 'hm', signature: 's' } } };
    const calling = { role: 'assistant', content: [thought, ...call('tooluse_1').content] };
    expect(parse({ messages: [user, calling, result('tooluse_1')] }).request.messages[1]?.content[0]).toEqual({
      type: 'thinking',
      text: 'hm',
    });
    expect(parse({ messages: [user, calling, result('tooluse_1'), user] }).request.messages[1]?.content).toMatchObject([
      { type: 'tool-use', id: 'call_1' },
    ]);
    expect(parse({ messages: [user, { role: 'assistant', content: [thought] }, user] }).request.messages).toHaveLength(
      2,
    );
  });

  it('puts the results of tools before what is said beside them', () => {
    const both = { role: 'user', content: [{ text: 'and?' }, ...result('a').content] };
    expect(parse({ messages: [user, call('a'), both] }).request.messages[2]?.content.map(({ type }) => type)).toEqual([
      'tool-result',
      'text',
    ]);
  });

  it('names the schemas of tools by their place, cache points between them', () => {
    const toolConfig = { tools: [tool('a'), { cachePoint: { type: 'default' } }, tool('b')] };
    expect(parse({ toolConfig }).toolFields).toEqual([
      'toolConfig.tools.0.toolSpec.inputSchema.json',
      'toolConfig.tools.2.toolSpec.inputSchema.json',
    ]);
  });

  it('hears which tools are strict', () => {
    const strict = (value?: unknown) => ({ toolSpec: { ...tool('b').toolSpec, strict: value } });
    expect(parse({ toolConfig: { tools: [tool('a'), strict(true)] } }).request.tools).toEqual([
      { name: 'a', inputSchema: { type: 'object' } },
      { name: 'b', inputSchema: { type: 'object' }, strict: true },
    ]);
    expect(parse({ toolConfig: { tools: [strict(false)] } }).request.tools?.[0]).not.toHaveProperty('strict');
  });

  it('may ask for one call at a time', () => {
    const additionalModelRequestFields = { tool_choice: { type: 'auto', disable_parallel_tool_use: true } };
    expect(parse({ toolConfig: { tools: [tool('a')] }, additionalModelRequestFields }).request.parallelToolCalls).toBe(
      false,
    );
  });

  it('keeps a final assistant message for the answer to continue', () => {
    expect(
      parse({ messages: [user, { role: 'assistant', content: [{ text: 'Sure' }] }] }).request.messages,
    ).toHaveLength(2);
    expect(parse({ messages: [user, { role: 'assistant', content: [] }] }).request.messages).toHaveLength(1);
  });

  it.each([
    ['text', { text: 'a' }, 'a'],
    ['content', { content: [{ text: 'a' }, { text: 'b' }] }, 'a\n\nb'],
    ['bytes', { bytes: Buffer.from('größer').toString('base64') }, 'größer'],
  ])('reads a document from its %s', (_, source, text) => {
    const document = { name: 'Note', format: 'md', source, context: 'Read.' };
    expect(parse(says([{ document }])).request.messages[0]?.content).toEqual([
      { type: 'document', title: 'Note', text: `Read.\n\n${text}` },
    ]);
  });

  it('reads search results, and the text of earlier citations', () => {
    const searchResult = { source: 'https://a', title: 'A', content: [{ text: 'x' }] };
    expect(parse(says([{ searchResult }])).request.messages[0]?.content).toEqual([
      { type: 'document', title: 'A (https://a)', text: 'x' },
    ]);
    const cited = { role: 'assistant', content: [{ citationsContent: { content: [{ text: 'c' }], citations: [] } }] };
    expect(parse({ messages: [user, cited, user] }).request.messages[1]?.content).toEqual([
      { type: 'text', text: 'c' },
    ]);
  });

  const budget = (budgetTokens: number) => ({ type: 'enabled', budgetTokens });
  it.each([
    [{ thinking: { type: 'enabled', budget_tokens: 1024 } }, budget(1024)],
    [{ thinking: { type: 'adaptive' } }, { type: 'enabled' }],
    [{ thinking: { type: 'adaptive' }, output_config: { effort: 'low' } }, budget(1024)],
    [{ thinking: { type: 'disabled' }, reasoning_effort: 'high' }, { type: 'disabled' }],
    [{ output_config: { effort: 'high' } }, { type: 'disabled' }],
    [{ reasoning_config: { type: 'enabled', budget_tokens: 5 } }, budget(5)],
    [{ reasoningConfig: { maxReasoningEffort: 'medium' } }, budget(4096)],
    [{ reasoningConfig: { type: 'enabled', budgetTokens: 7 } }, budget(7)],
    [{ reasoningConfig: { type: 'disabled', maxReasoningEffort: 'low' } }, { type: 'disabled' }],
    [{ reasoning_effort: 'max' }, { type: 'enabled' }],
    [{ reasoning_effort: 'none' }, { type: 'disabled' }],
    [{ reasoning: { effort: 'low' } }, budget(1024)],
  ])('thinks where one of the vendors asks for it: %j', (additionalModelRequestFields, expected) => {
    const { request, showThoughts } = parse({ additionalModelRequestFields });
    expect(request.thinking).toEqual(expected);
    expect(showThoughts).toBe(expected.type === 'enabled');
  });

  it("takes a schema from among Claude's own fields", () => {
    const schema = { type: 'object' };
    const given = parse({
      additionalModelRequestFields: { output_config: { format: { type: 'json_schema', schema } } },
    });
    expect(given.request.responseSchema).toEqual(schema);
    expect(given.schemaField).toBe('additionalModelRequestFields.output_config.format.schema');
  });

  it('needs no settings to count tokens', () => {
    expect(parseConversePrompt({ messages: [user] }, context).messages).toHaveLength(1);
  });
});

describe('a bad request names the field and what was expected', () => {
  const document = (changes: object) =>
    says([{ document: { name: 'a', format: 'txt', source: { text: 'x' }, ...changes } }]);
  it.each<[string, object, string, RegExp]>([
    ['no messages', { messages: undefined }, 'messages', /Field required/],
    ['empty messages', { messages: [] }, 'messages', /At least 1 item/],
    ['a wrong role', says([{ text: 'x' }], 'robot'), 'messages.0.role', /'user', 'assistant' or 'system'/],
    ['no content', { messages: [{ role: 'user' }] }, 'messages.0.content', /Field required/],
    ['empty content', says([]), 'messages.0.content', /not be empty/],
    ['content as text', { messages: [{ role: 'user', content: 'hi' }] }, 'messages.0.content', /an array/],
    ['an empty block', says([{}]), 'messages.0.content.0', /exactly one of: text, .*none/],
    ['an unknown block', says([{ smell: {} }]), 'messages.0.content.0', /exactly one of/],
    ['two blocks in one', says([{ text: 'a', cachePoint: {} }]), 'messages.0.content.0', /text, cachePoint/],
    ['blank text', says([{ text: '' }]), 'messages.0.content.0.text', /blank/],
    [
      'a call by a user',
      says([{ toolUse: { toolUseId: 'a', name: 'f', input: {} } }]),
      'messages.0.content.0.toolUse',
      /'assistant'/,
    ],
    [
      'thoughts alone',
      says([{ reasoningContent: { reasoningText: { text: 'a' } } }], 'assistant'),
      'messages',
      /nothing to answer/,
    ],
    [
      'an image by the system',
      { messages: [user, { role: 'system', content: [{ image: {} }] }] },
      'messages.1.content.0',
      /text only/,
    ],
    [
      'a result without its call',
      { messages: [user, result('a')] },
      'messages.1.content.0.toolResult.toolUseId',
      /no toolUse block a/,
    ],
    ['a call without its result', { messages: [user, call('a'), user] }, '', /./],
    [
      'two results of a call',
      { messages: [user, call('a'), result('a'), result('a')] },
      'messages.3.content.0.toolResult.toolUseId',
      /already/,
    ],
    [
      'two calls of an id',
      { messages: [user, call('a'), result('a'), call('a'), result('a')] },
      'messages.3.content.0.toolUse.toolUseId',
      /unique/,
    ],
    ['no maxTokens', { inferenceConfig: { maxTokens: 0 } }, 'inferenceConfig.maxTokens', /greater than or equal to 1/],
    [
      'a high temperature',
      { inferenceConfig: { temperature: 1.1 } },
      'inferenceConfig.temperature',
      /less than or equal to 1/,
    ],
    [
      'an empty stop sequence',
      { inferenceConfig: { stopSequences: [''] } },
      'inferenceConfig.stopSequences.0',
      /not be empty/,
    ],
    ['no tools', { toolConfig: { tools: [] } }, 'toolConfig.tools', /At least one/],
    ['an empty tool', { toolConfig: { tools: [{}] } }, 'toolConfig.tools.0', /toolSpec, cachePoint/],
    [
      'two tools of a name',
      { toolConfig: { tools: [tool('a'), tool('a')] } },
      'toolConfig.tools.1.toolSpec.name',
      /unique/,
    ],
    [
      'a tool with spaces',
      { toolConfig: { tools: [tool('a b')] } },
      'toolConfig.tools.0.toolSpec.name',
      /should match/,
    ],
    [
      'a choice of no tool',
      { toolConfig: { tools: [tool('a')], toolChoice: { tool: { name: 'b' } } } },
      'toolConfig.toolChoice.tool.name',
      /no tool "b"/,
    ],
    ['no base64', document({ source: { bytes: 'a%b' } }), 'messages.0.content.0.document.source.bytes', /base64/],
    ['no UTF-8', document({ source: { bytes: '/////w==' } }), 'messages.0.content.0.document.source.bytes', /UTF-8/],
    ['no source', document({ source: {} }), 'messages.0.content.0.document.source', /required/],
    [
      'a schema that is no JSON',
      { outputConfig: jsonSchema('{') },
      'outputConfig.textFormat.structure.jsonSchema.schema',
      /not valid JSON/,
    ],
    [
      'a schema that is no object',
      { outputConfig: jsonSchema('[]') },
      'outputConfig.textFormat.structure.jsonSchema.schema',
      /an object/,
    ],
    [
      'a budget beyond the limit',
      { inferenceConfig: { maxTokens: 100 }, additionalModelRequestFields: { thinking } },
      'additionalModelRequestFields.thinking',
      /less than/,
    ],
    [
      'thoughts before a forced call',
      {
        additionalModelRequestFields: { reasoning_config: thinking },
        toolConfig: { tools: [tool('a')], toolChoice: { any: {} } },
      },
      'additionalModelRequestFields.reasoning_config',
      /forces tool use/,
    ],
  ])('%s', (_, changes, field, message) => {
    expect(() => parse(changes)).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        message: expect.stringMatching(message),
        ...(field !== '' && { field }),
      }),
    );
  });

  it.each<[string, object, string]>([
    ['images', says([{ image: { format: 'png' } }]), 'messages.0.content.0'],
    [
      'images of tools',
      {
        messages: [
          user,
          call('a'),
          { role: 'user', content: [{ toolResult: { toolUseId: 'a', content: [{ image: {} }] } }] },
        ],
      },
      'messages.2.content.0.toolResult.content.0',
    ],
    ['videos', says([{ video: {} }]), 'messages.0.content.0.video'],
    ['sounds', says([{ audio: {} }]), 'messages.0.content.0.audio'],
    ['guarded content', says([{ guardContent: {} }]), 'messages.0.content.0.guardContent'],
    ['guarded system text', { system: [{ guardContent: {} }] }, 'system.0.guardContent'],
    ['guardrails', { guardrailConfig: { guardrailIdentifier: 'a' } }, 'guardrailConfig'],
    ['stored prompts', { promptVariables: { a: { text: 'b' } } }, 'promptVariables'],
    [
      "the vendor's tools",
      { toolConfig: { tools: [{ systemTool: { name: 'nova_grounding' } }] } },
      'toolConfig.tools.0.systemTool',
    ],
    ['office documents', document({ format: 'docx', source: { bytes: '' } }), 'messages.0.content.0.document.format'],
    [
      'documents of S3',
      document({ source: { s3Location: { uri: 's3://a/b' } } }),
      'messages.0.content.0.document.source.s3Location',
    ],
    ['citations', document({ citations: { enabled: true } }), 'messages.0.content.0.document.citations'],
  ])('%s are refused by name', (_, changes, field) => {
    expect(() => parse(changes)).toThrow(expect.objectContaining({ code: 'unsupported', status: 400, field }));
  });

  it.each([[null], [[]], ['text'], [4], [true]])('%j is no request', (body) => {
    expect(() => parseConverse(body, route, context)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });

  it('never fails in any other way, whatever is sent', () => {
    const block = fc.record(
      {
        text: fc.jsonValue(),
        document: fc.record({
          name: fc.jsonValue(),
          source: fc.dictionary(fc.constantFrom('bytes', 'text'), fc.jsonValue()),
        }),
        toolUse: fc.record({ toolUseId: fc.constantFrom('a', 'b'), name: fc.jsonValue() }),
        toolResult: fc.record({ toolUseId: fc.constantFrom('a', 'b'), content: fc.jsonValue() }),
        reasoningContent: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const request = fc.record(
      {
        messages: fc.oneof(
          fc.jsonValue(),
          fc.array(
            fc.record({
              role: fc.constantFrom('user', 'assistant', 'system', 'x'),
              content: fc.oneof(fc.jsonValue(), fc.array(block)),
            }),
          ),
        ),
        system: fc.jsonValue(),
        toolConfig: fc.oneof(fc.jsonValue(), fc.record({ tools: fc.jsonValue() })),
        inferenceConfig: fc.jsonValue(),
        additionalModelRequestFields: fc.jsonValue(),
        outputConfig: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(request, (body) => {
        try {
          parseConverse(body, route, context);
        } catch (error) {
          expect(error).toMatchObject({ name: 'FreeholdError', status: 400 });
        }
      }),
      { numRuns: 1000 },
    );
  });
});
