// Logging: JSON lines on standard error through pino, so that standard output stays for answers.
import { type Logger, pino } from 'pino';
import type { Config } from './config.ts';

export type { Logger };

const redactedPaths = [
  '*.authorization',
  '*.apiKey',
  '*["x-api-key"]',
  '*.cookie',
  '*.hubToken',
  'authorization',
  'apiKey',
  'hubToken',
];

/** A logger that writes one JSON object a line to standard error; secrets are replaced by `[redacted]`. */
export function createLogger(level: Config['logLevel']): Logger {
  return pino({ level, base: null, redact: { paths: redactedPaths, censor: '[redacted]' } }, quietDestination());
}

/** A logger that drops everything; the default wherever a logger is optional. */
export const silentLogger: Logger = pino({ level: 'silent' });

/** Standard error; where it cannot be written to (a full disk under a log file) lines are lost and the server goes on. */
function quietDestination(): ReturnType<typeof pino.destination> {
  const destination = pino.destination({ dest: 2, sync: true });
  destination.on('error', () => {});
  return destination;
}
