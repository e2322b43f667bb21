// How the next messages are asked: a system prompt, temperature, the longest answer. Applies from the next message on.
import { useId } from 'react';
import { IconButton, TextButton } from '../ui/button.tsx';
import { SlidersIcon } from '../ui/icons.tsx';
import { Popover } from '../ui/popover.tsx';
import { defaultPreferences, isCustomised, type Preferences, serverTemperature } from './preferences.ts';

interface SettingsProps {
  value: Preferences;
  onChange: (preferences: Preferences) => void;
}

export function SettingsButton({ value, onChange }: SettingsProps) {
  const customised = isCustomised(value);
  return (
    <Popover
      label="Settings for the next messages"
      placement="fixed inset-x-3 top-14 max-h-[calc(100dvh-5rem)] overflow-y-auto p-4 sm:absolute sm:inset-x-auto sm:top-full sm:right-0 sm:mt-1 sm:w-80"
      trigger={(props) => (
        <IconButton label={customised ? 'Settings (changed)' : 'Settings'} {...props}>
          <span className="relative">
            <SlidersIcon />
            {customised && <span className="absolute -top-1 -right-1 size-2 rounded-full bg-accent" />}
          </span>
        </IconButton>
      )}
    >
      {() => <SettingsForm value={value} onChange={onChange} />}
    </Popover>
  );
}

const field = 'w-full rounded-lg border border-line-strong bg-paper px-3 text-base sm:text-sm';

function SettingsForm({ value, onChange }: SettingsProps) {
  const id = useId();
  const set = (change: Partial<Preferences>) => onChange({ ...value, ...change });
  const { system, temperature, maxTokens } = value;
  return (
    <form className="flex flex-col gap-4" onSubmit={(event) => event.preventDefault()}>
      <div>
        <label htmlFor={`${id}-system`} className="text-sm font-medium">
          System prompt
        </label>
        <textarea
          id={`${id}-system`}
          rows={4}
          value={system}
          placeholder="For example: You help in a garden shop. Answer in two sentences."
          onChange={(event) => set({ system: event.target.value })}
          className={`${field} mt-1.5 block max-h-60 min-h-24 resize-y py-2 leading-relaxed`}
        />
      </div>
      <div>
        <div className="flex items-center justify-between text-sm">
          <label htmlFor={`${id}-temperature`} className="font-medium">
            Temperature
          </label>
          <output htmlFor={`${id}-temperature`} className="text-soft tabular-nums">
            {(temperature ?? serverTemperature).toFixed(1)}
            {temperature === undefined && ' (default)'}
          </output>
        </div>
        <input
          id={`${id}-temperature`}
          type="range"
          min="0"
          max="1"
          step="0.1"
          value={temperature ?? serverTemperature}
          onChange={(event) => set({ temperature: Number(event.target.value) })}
          className="mt-2 block h-6 w-full accent-accent"
        />
        <div className="flex justify-between text-xs text-soft">
          <span>exact</span>
          <span>inventive</span>
        </div>
      </div>
      <div>
        <label htmlFor={`${id}-tokens`} className="text-sm font-medium">
          Longest answer, in tokens
        </label>
        <input
          id={`${id}-tokens`}
          type="number"
          inputMode="numeric"
          min="1"
          step="1"
          defaultValue={maxTokens}
          key={maxTokens === defaultPreferences.maxTokens ? 'default' : 'own'}
          onBlur={(event) => {
            const tokens = Math.floor(Number(event.target.value));
            if (tokens >= 1) set({ maxTokens: tokens });
            else event.target.value = String(maxTokens);
          }}
          className={`${field} mt-1.5 h-10`}
        />
      </div>
      <TextButton
        disabled={!isCustomised(value)}
        onClick={() => onChange({ ...defaultPreferences, model: value.model })}
      >
        Back to the defaults
      </TextButton>
    </form>
  );
}
