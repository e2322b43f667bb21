// The texts of the families' templates (chat-templates.ts): what a turn looks like, where tools stand, how calls and
// results are written, what is refused, where thoughts are kept. In our own words and shortened; no vendor's file is copied.

/** The instructions a Hermes-like template puts around its tools. */
const hermesTools = `{{ "# Tools\\n\\nYou may call one or more functions.\\n\\nSignatures within <tools></tools>:\\n<tools>" }}
{%- for tool in tools %}{{ "\\n" }}{{ tool | tojson }}{% endfor %}
{{- "\\n</tools>\\n\\nAnswer with JSON within <tool_call></tool_call>:\\n<tool_call>\\n{\\"name\\": <function-name>, \\"arguments\\": <args-json-object>}\\n</tool_call><|im_end|>\\n" }}`;

const hermesResult = `{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{ '<|im_start|>user' }}{% endif %}
{{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{ '<|im_end|>\\n' }}{% endif %}`;

export const qwen25 = `{%- if tools %}
{{- '<|im_start|>system\\n' }}
{%- if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% else %}{{ 'You are a helpful assistant.' }}{% endif %}
{{- '\\n\\n' }}${hermesTools}
{%- else %}
{%- if messages[0]['role'] == 'system' %}{{ '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- else %}{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) or (message.role == 'assistant' and not message.tool_calls) %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- elif message.role == 'assistant' %}
{{- '<|im_start|>assistant' }}
{%- if message.content %}{{ '\\n' + message.content }}{% endif %}
{%- for call in message.tool_calls %}
{%- if call.function is defined %}{% set call = call.function %}{% endif %}
{{- '\\n<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}{{ call.arguments | tojson }}{{ '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- elif message.role == 'tool' %}${hermesResult}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;

export const qwen3 = `{%- if tools %}
{{- '<|im_start|>system\\n' }}
{%- if messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}{% endif %}${hermesTools}
{%- elif messages[0].role == 'system' %}
{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(last_query=messages | length - 1, searching=true) %}
{%- for message in messages[::-1] %}
{%- set index = (messages | length - 1) - loop.index0 %}
{%- if ns.searching and message.role == 'user' and message.content is string and not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
{%- set ns.searching = false %}{% set ns.last_query = index %}
{%- endif %}
{%- endfor %}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- elif message.role == 'assistant' %}
{%- set content = message.content %}
{%- set thoughts = '' %}
{%- if message.reasoning_content is string %}{% set thoughts = message.reasoning_content %}
{%- elif '</think>' in content %}
{%- set thoughts = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
{%- set content = content.split('</think>')[-1].lstrip('\\n') %}
{%- endif %}
{%- if loop.index0 > ns.last_query and (loop.last or thoughts) %}
{{- '<|im_start|>assistant\\n<think>\\n' + thoughts.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
{%- else %}{{ '<|im_start|>assistant\\n' + content }}{% endif %}
{%- if message.tool_calls %}
{%- for call in message.tool_calls %}
{%- if (loop.first and content) or not loop.first %}{{ '\\n' }}{% endif %}
{%- if call.function %}{% set call = call.function %}{% endif %}
{{- '<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}
{%- if call.arguments is string %}{{ call.arguments }}{% else %}{{ call.arguments | tojson }}{% endif %}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- elif message.role == 'tool' %}${hermesResult}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}
{%- endif %}`;

export const llama3 = (refusesSeveralCalls: boolean) => `{{- bos_token }}
{%- if not tools is defined %}{% set tools = none %}{% endif %}
{%- if not tools_in_user_message is defined %}{% set tools_in_user_message = true %}{% endif %}
{%- if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] | trim %}{% set messages = messages[1:] %}
{%- else %}{% set system = '' %}{% endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
{%- if tools is not none %}{{ 'Environment: ipython\\n' }}{% endif %}
{{- 'Cutting Knowledge Date: December 2023\\n\\n' + system + '<|eot_id|>' }}
{%- if tools_in_user_message and tools is not none %}
{%- if messages | length == 0 %}{{ raise_exception('There is no first user message to put tools in') }}{% endif %}
{%- set first = messages[0]['content'] | trim %}{% set messages = messages[1:] %}
{{- '<|start_header_id|>user<|end_header_id|>\\n\\nGiven these functions, answer with JSON for a call.\\n\\n' }}
{%- for t in tools %}{{ t | tojson(indent=4) }}{{ '\\n\\n' }}{% endfor %}
{{- first + '<|eot_id|>' }}
{%- endif %}
{%- for message in messages %}
{%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- elif 'tool_calls' in message %}
${refusesSeveralCalls ? "{%- if not message.tool_calls | length == 1 %}{{ raise_exception('This model calls one tool at once') }}{% endif %}" : ''}
{%- set call = message.tool_calls[0].function %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n{"name": "' + call.name + '", "parameters": ' }}{{ call.arguments | tojson }}{{ '}<|eot_id|>' }}
{%- else %}
{{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' }}
{%- if message.content is mapping or message.content is iterable %}{{ message.content | tojson }}{% else %}{{ message.content }}{% endif %}
{{- '<|eot_id|>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}`;

/** v3: tools before the last user turn, nine-character ids, no text beside calls, strict turns. */
export const mistralV3 = `{%- if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set turns = messages[1:] %}{% else %}{% set turns = messages %}{% endif %}
{%- if not tools is defined %}{% set tools = none %}{% endif %}
{%- set users = turns | selectattr('role', 'equalto', 'user') | list %}
{%- set ns = namespace(index=0) %}
{%- for message in turns %}
{%- if not (message.role == 'tool' or message.role == 'tool_results' or (message.tool_calls is defined and message.tool_calls is not none)) %}
{%- if (message['role'] == 'user') != (ns.index % 2 == 0) %}{{ raise_exception('roles must alternate user/assistant/user/assistant/...') }}{% endif %}
{%- set ns.index = ns.index + 1 %}
{%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in turns %}
{%- if message['role'] == 'user' %}
{%- if tools is not none and message == users[-1] %}
{{- '[AVAILABLE_TOOLS] [' }}
{%- for tool in tools %}
{%- set tool = tool.function %}
{{- '{"type": "function", "function": {' }}
{%- for key, val in tool.items() if key != 'return' %}
{%- if val is string %}{{ '"' + key + '": "' + val + '"' }}{% else %}{{ '"' + key + '": ' + val | tojson }}{% endif %}
{%- if not loop.last %}{{ ', ' }}{% endif %}
{%- endfor %}
{{- '}}' }}{% if not loop.last %}{{ ', ' }}{% else %}{{ ']' }}{% endif %}
{%- endfor %}
{{- '[/AVAILABLE_TOOLS]' }}
{%- endif %}
{%- if loop.last and system is defined %}{{ '[INST] ' + system + '\\n\\n' + message['content'] + '[/INST]' }}
{%- else %}{{ '[INST] ' + message['content'] + '[/INST]' }}{% endif %}
{%- elif message.tool_calls is defined and message.tool_calls is not none %}
{{- '[TOOL_CALLS] [' }}
{%- for call in message.tool_calls %}
{%- set out = call.function | tojson %}
{{- out[:-1] }}
{%- if not call.id is defined or call.id | length != 9 %}{{ raise_exception('Tool call ids have nine characters') }}{% endif %}
{{- ', "id": "' + call.id + '"}' }}
{%- if not loop.last %}{{ ', ' }}{% else %}{{ ']' + eos_token }}{% endif %}
{%- endfor %}
{%- elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}
{%- elif message['role'] == 'tool_results' or message['role'] == 'tool' %}
{{- '[TOOL_RESULTS] {"content": ' + message.content | string + ', ' }}
{%- if not message.tool_call_id is defined or message.tool_call_id | length != 9 %}{{ raise_exception('Tool call ids have nine characters') }}{% endif %}
{{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
{%- else %}{{ raise_exception('Only user and assistant roles are known') }}
{%- endif %}
{%- endfor %}`;

/** v7 and later: the system's own tokens, tools behind it, calls by name and arguments. */
export const mistralV7 = (arrow: boolean) => `{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}{{ '[SYSTEM_PROMPT]' + messages[0]['content'] + '[/SYSTEM_PROMPT]' }}{% set turns = messages[1:] %}{% else %}{% set turns = messages %}{% endif %}
{%- if tools is defined and tools is not none and tools | length > 0 %}{{ '[AVAILABLE_TOOLS]' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}{% endif %}
{%- for message in turns %}
{%- if message['role'] == 'user' %}
{%- if message['content'] is string %}{{ '[INST]' + message['content'] + '[/INST]' }}
{%- else %}{{ '[INST]' }}{% for block in message['content'] %}{% if block['type'] == 'text' %}{{ block['text'] }}{% else %}{{ '[IMG]' }}{% endif %}{% endfor %}{{ '[/INST]' }}{% endif %}
{%- elif message['role'] == 'assistant' %}
{%- if message['content'] is string %}{{ message['content'] }}{% endif %}
{%- if message['tool_calls'] is defined and message['tool_calls'] is not none %}
{%- for call in message['tool_calls'] %}
{%- set arguments = call['function']['arguments'] %}
{%- if arguments is not string %}{% set arguments = arguments | tojson %}{% endif %}
{{- '[TOOL_CALLS]' + call['function']['name'] ${arrow ? "+ '[CALL_ID]' + call['id'] " : ''}+ '[ARGS]' + arguments }}
{%- endfor %}
{%- endif %}
{{- eos_token }}
{%- elif message['role'] == 'tool' %}{{ '[TOOL_RESULTS]' ${arrow ? "+ message['tool_call_id'] + '[TOOL_CONTENT]' " : ''}+ message['content'] + '[/TOOL_RESULTS]' }}
{%- else %}{{ raise_exception('Only user, assistant, system and tool roles are known') }}
{%- endif %}
{%- endfor %}`;

export const gemma2 = `{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}
{%- if message['role'] == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}
{{- '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}`;

export const gemma3 = `{{ bos_token }}
{%- if messages[0]['role'] == 'system' %}{% set prefix = messages[0]['content'] + '\\n\\n' %}{% set turns = messages[1:] %}{% else %}{% set prefix = '' %}{% set turns = messages %}{% endif %}
{%- for message in turns %}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}
{%- if message['role'] == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}
{{- '<start_of_turn>' + role + '\\n' + (prefix if loop.first else '') }}
{%- if message['content'] is string %}{{ message['content'] | trim }}
{%- elif message['content'] is iterable %}{% for item in message['content'] %}{% if item['type'] == 'image' %}{{ '<start_of_image>' }}{% else %}{{ item['text'] | trim }}{% endif %}{% endfor %}
{%- else %}{{ raise_exception('Invalid content type') }}{% endif %}
{{- '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}`;

/** Calls that are not JSON, and thoughts in a channel, closed unless they are asked for. */
export const gemma4 = `{%- macro value(it) %}{% if it is string %}{{ '<|"|>' + it + '<|"|>' }}{% else %}{{ it | tojson }}{% endif %}{% endmacro %}
{{- bos_token }}
{%- set turns = messages %}
{%- if enable_thinking or tools or messages[0]['role'] == 'system' %}
{{- '<|turn>system\\n' }}{% if enable_thinking %}{{ '<|think|>' }}{% endif %}
{%- if messages[0]['role'] == 'system' %}{{ messages[0]['content'] | trim }}{% set turns = messages[1:] %}{% endif %}
{%- for tool in tools or [] %}
{{- '<|tool>declaration:' + tool['function']['name'] + '{description:' + value(tool['function']['description']) + ',properties:{' }}
{%- for key, it in tool['function']['parameters']['properties'] | dictsort %}{{ key + ':{type:' + value(it['type'] | upper) + '}' }}{% endfor %}
{{- '}}<tool|>' }}
{%- endfor %}
{{- '<turn|>\\n' }}
{%- endif %}
{%- for message in turns %}
{{- '<|turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' }}
{%- for call in message['tool_calls'] or [] %}
{{- '<|tool_call>call:' + call['function']['name'] + '{' }}{% for key, it in call['function']['arguments'] | dictsort %}{{ key + ':' + value(it) }}{% endfor %}{{ '}<tool_call|>' }}
{%- endfor %}
{%- set ns = namespace(shown='') %}
{%- for part in message['content'].split('<channel|>') %}{% set ns.shown = ns.shown + part.split('<|channel>')[0] %}{% endfor %}
{{- ns.shown | trim + '<turn|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|turn>model\\n' }}{% if not enable_thinking | default(false) %}{{ '<|channel>thought\\n<channel|>' }}{% endif %}{% endif %}`;

/** Each message with its channel; the answer is one of its own. */
export const gptOss = `{{- '<|start|>system<|message|>Valid channels: analysis, commentary, final.<|end|>' }}
{%- set turns = messages %}
{%- if messages[0]['role'] == 'system' %}{{ '<|start|>developer<|message|># Instructions\\n\\n' + messages[0]['content'] + '<|end|>' }}{% set turns = messages[1:] %}{% endif %}
{%- for message in turns %}
{%- if message['role'] == 'assistant' %}
{%- if message.thinking %}{{ '<|start|>assistant<|channel|>analysis<|message|>' + message.thinking + '<|end|>' }}{% endif %}
{{- '<|start|>assistant<|channel|>final<|message|>' + message['content'] + '<|end|>' }}
{%- else %}{{ '<|start|>' + message['role'] + '<|message|>' + message['content'] + '<|end|>' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}`;

export const smollm2 = `{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful AI assistant<|im_end|>\\n' }}{% endif %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;

export const smollm3 = `{%- if enable_thinking is not defined %}{% set enable_thinking = true %}{% endif %}
{%- set mode = '/think' if enable_thinking else '/no_think' %}
{%- set system = '' %}
{%- if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set messages = messages[1:] %}{% endif %}
{{- '<|im_start|>system\\n## Metadata\\n\\nReasoning Mode: ' + mode + '\\n\\n## Custom Instructions\\n\\n' }}
{%- if system %}{{ system + '\\n\\n' }}{% endif %}
{%- if xml_tools or python_tools %}
{%- set ns = namespace(listed='### Tools\\n\\nSignatures within <tools></tools>:\\n\\n<tools>\\n') %}
{%- for tool in xml_tools[:] %}{% set ns.listed = ns.listed ~ (tool | string) ~ '\\n' %}{% endfor %}
{{- ns.listed + '</tools>\\n\\nAnswer with JSON within <tool_call></tool_call>:\\n<tool_call>\\n{"name": <function-name>, "arguments": <args-json-object>}\\n</tool_call>\\n\\n' }}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- for message in messages %}
{%- if message.role == 'user' %}{{ '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}
{%- elif message.role == 'assistant' %}
{%- if mode == '/think' %}{{ '<|im_start|>assistant\\n' + message.content.lstrip('\\n') + '<|im_end|>\\n' }}
{%- else %}{{ '<|im_start|>assistant\\n<think>\\n\\n</think>\\n' + message.content.lstrip('\\n') + '<|im_end|>\\n' }}{% endif %}
{%- elif message.role == 'tool' %}{{ '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{%- if mode == '/think' %}{{ '<|im_start|>assistant\\n' }}{% else %}{{ '<|im_start|>assistant\\n<think>\\n\\n</think>\\n' }}{% endif %}
{%- endif %}`;

/** Opens a thought for the model; wants arguments as a string; writes no tools, yet knows calls and results. */
export const deepseekR1 = `{{- bos_token }}
{%- set ns = namespace(system='', output_first=true) %}
{%- for message in messages %}{% if message['role'] == 'system' %}{% set ns.system = message['content'] %}{% endif %}{% endfor %}
{{- ns.system }}
{%- for message in messages %}
{%- if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}
{%- elif message['role'] == 'assistant' and message['tool_calls'] %}
{{- '<｜Assistant｜>' + (message['content'] or '') + '<｜tool▁calls▁begin｜>' }}
{%- for call in message['tool_calls'] %}
{{- '<｜tool▁call▁begin｜>' + call['type'] + '<｜tool▁sep｜>' + call['function']['name'] + '\\n\`\`\`json\\n' + call['function']['arguments'] + '\\n\`\`\`<｜tool▁call▁end｜>' }}
{%- endfor %}
{{- '<｜tool▁calls▁end｜><｜end▁of▁sentence｜>' }}
{%- elif message['role'] == 'assistant' %}
{%- set content = message['content'] %}
{%- if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}
{{- '<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>' }}
{%- elif message['role'] == 'tool' %}{{ '<｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}`;

export const phi4Mini = `{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message and message['tools'] is not none %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|tool|>' + message['tools'] + '<|/tool|>' + '<|end|>' }}{% else %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}`;

export const chatMl = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;
