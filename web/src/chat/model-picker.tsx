// Chooses the model of the next message, from what the server serves now.
import type { ModelInfo } from '../api/client.ts';
import { CheckIcon, ChevronDownIcon } from '../ui/icons.tsx';
import { Menu, MenuItem } from '../ui/popover.tsx';

interface ModelPickerProps {
  models: readonly ModelInfo[];
  /** Why the list is not there. */
  problem: string | undefined;
  value: string;
  onChange: (model: string) => void;
  /** The list is shown: it may have changed since it was loaded. */
  onOpen: () => void;
}

export function ModelPicker({ models, problem, value, onChange, onOpen }: ModelPickerProps) {
  const behind = models.find(({ id }) => id === value)?.resolvesTo;
  return (
    <Menu
      label="Model"
      placement="fixed inset-x-3 top-14 max-h-[min(26rem,70dvh)] overflow-y-auto p-1.5 sm:absolute sm:inset-x-auto sm:top-full sm:left-0 sm:mt-1 sm:w-72"
      className="min-w-0"
      trigger={(props) => (
        <button
          type="button"
          {...props}
          onClick={() => {
            if (!props['aria-expanded']) onOpen();
            props.onClick();
          }}
          className="flex h-9 max-w-full min-w-0 items-center gap-1.5 rounded-lg px-2.5 font-medium hover:bg-bubble pointer-coarse:h-11"
        >
          <span className="sr-only">Model:</span>
          <span className="truncate">{behind ?? value}</span>
          {behind && <span className="shrink-0 text-sm font-normal text-soft">{value}</span>}
          <ChevronDownIcon className="size-4 text-soft" />
        </button>
      )}
    >
      {(close) => (
        <>
          {models.map(({ id, resolvesTo }) => (
            <MenuItem
              key={id}
              checked={id === value}
              onSelect={() => {
                onChange(id);
                close();
              }}
            >
              <span className="min-w-0 flex-1">
                <span className="block truncate font-medium">{id}</span>
                {id === 'default' && (
                  <span className="block truncate text-xs text-soft">
                    {resolvesTo ? `now ${resolvesTo}` : 'what this server was set up with'}
                  </span>
                )}
              </span>
              {id === value && <CheckIcon className="size-4.5 text-accent" />}
            </MenuItem>
          ))}
          {problem && (
            <p role="alert" className="px-2.5 py-2 text-sm text-danger">
              The list of models could not be loaded: {problem}
            </p>
          )}
        </>
      )}
    </Menu>
  );
}
