// Buttons. `IconButton` shows only an icon, so it asks for a label; `TextButton` has words.
import type { ButtonHTMLAttributes, ReactNode, Ref } from 'react';

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & { ref?: Ref<HTMLButtonElement> };

export function IconButton({
  label,
  small = false,
  className = '',
  ...rest
}: ButtonProps & { label: string; small?: boolean; children: ReactNode }) {
  const size = small ? 'size-8 pointer-coarse:size-10' : 'size-9 pointer-coarse:size-11';
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      className={`${size} inline-flex shrink-0 items-center justify-center rounded-lg text-soft transition-colors hover:bg-bubble hover:text-ink disabled:opacity-40 ${className}`}
      {...rest}
    />
  );
}

const looks = {
  primary: 'bg-accent text-on-accent hover:bg-accent-hover border-transparent',
  plain: 'border-line text-ink hover:bg-bubble',
  danger: 'border-danger-line text-danger hover:bg-danger-tint',
};

export function TextButton({ look = 'plain', className = '', ...rest }: ButtonProps & { look?: keyof typeof looks }) {
  return (
    <button
      type="button"
      className={`inline-flex h-9 items-center justify-center gap-2 rounded-lg border px-3.5 text-sm font-medium transition-colors disabled:opacity-50 pointer-coarse:h-11 ${looks[look]} ${className}`}
      {...rest}
    />
  );
}
