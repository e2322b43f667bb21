// Tools the vendor publishes by type and a client runs: the type stands for a schema that the vendor's models know by
// heart. Models here do not, so they get it spelled out: names, arguments and what each is for, as the vendor documents
// them (platform.claude.com, "Bash tool", "Text editor tool", "Memory tool"). Pure.
import type { Tool } from '../../lib/text-model.ts';

const text = (description: string) => ({ type: 'string', description });
const line = { type: 'integer', minimum: 0 };

/** Lines of a file; the second may be -1 for its end. */
const viewRange = {
  type: 'array',
  items: { type: 'integer' },
  minItems: 2,
  maxItems: 2,
  description: 'For view of a file: first and last line, counted from 1; -1 for the last line of the file.',
};

const bash = {
  name: 'bash',
  description:
    'Runs a command in a persistent bash shell and returns its output. State, such as the working folder and variables, is kept between calls. Give command, or restart: true for a fresh shell.',
  inputSchema: {
    type: 'object',
    properties: {
      command: text('The command to run.'),
      restart: { type: 'boolean', description: 'Start the shell anew; needs no command.' },
    },
  },
};

const editorFields = {
  path: text('Absolute path of a file or folder.'),
  file_text: text('For create: the whole content of the file.'),
  old_str: text('For str_replace: text to replace. It must occur exactly once, white space included.'),
  new_str: text('For str_replace: what takes its place. Nothing deletes the text.'),
  insert_line: { ...line, description: 'For insert: the text goes after this line; 0 is the beginning of the file.' },
  view_range: viewRange,
};

function editor(name: string, commands: readonly string[], insertField: 'insert_text' | 'new_str') {
  const { new_str: replaced, ...others } = editorFields;
  const both = text(`${replaced.description} For insert: the text to insert.`);
  return {
    name,
    description:
      'Views, creates and edits files. view shows a file with line numbers, or lists a folder; create writes a whole file; str_replace replaces a text; insert adds lines.',
    inputSchema: {
      type: 'object',
      properties: {
        command: { type: 'string', enum: [...commands], description: 'What to do.' },
        ...others,
        ...(insertField === 'insert_text'
          ? { new_str: replaced, insert_text: text('For insert: the text to insert.') }
          : { new_str: both }),
      },
      required: ['command', 'path'],
    },
  };
}

const { old_str: _old, new_str: _new, ...memoryFields } = editorFields;
const memory = {
  name: 'memory',
  description:
    'Keeps notes between conversations as files under /memories. View that folder before anything else. view shows a file or folder; create, str_replace, insert, delete and rename change them.',
  inputSchema: {
    type: 'object',
    properties: {
      command: { type: 'string', enum: ['view', 'create', 'str_replace', 'insert', 'delete', 'rename'] },
      ...memoryFields,
      path: text('Path below /memories; not for rename.'),
      old_str: editorFields.old_str,
      new_str: editorFields.new_str,
      insert_text: text('For insert: the text to insert.'),
      old_path: text('For rename: the path now.'),
      new_path: text('For rename: the path to be.'),
    },
    required: ['command'],
  },
};

const older = ['view', 'create', 'str_replace', 'insert', 'undo_edit'];
const newer = ['view', 'create', 'str_replace', 'insert'];

/** By the tool's `type`. */
export const clientTools: Readonly<Record<string, Tool>> = {
  bash_20241022: bash,
  bash_20250124: bash,
  text_editor_20241022: editor('str_replace_editor', older, 'new_str'),
  text_editor_20250124: editor('str_replace_editor', older, 'new_str'),
  text_editor_20250429: editor('str_replace_based_edit_tool', newer, 'insert_text'),
  text_editor_20250728: editor('str_replace_based_edit_tool', newer, 'insert_text'),
  memory_20250818: memory,
};
