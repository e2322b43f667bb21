// Ours through HTTP: `freehold up` and OpenAI's streaming endpoint.
import { startServerProcess } from '../server-process.ts';
import { type Contender, peakBytes } from './contender.ts';
import { streamLines } from './event-stream.ts';
import { type Generate, runRound } from './loads.ts';
import { homeWithTuning } from './tuned-home.ts';

export const oursThroughHttp: Contender = {
  name: 'ours, HTTP',
  async open(model, load) {
    const args = [
      ...['--model', model, '--device', 'cpu', '--queue-limit', '1024'],
      ...['--context-tokens', String(load.contextTokens), '--max-sequences', String(load.sequences)],
    ];
    const server = await startServerProcess(args, { FREEHOLD_HOME: homeWithTuning() });
    return {
      round: (prompts) => runRound(load, prompts, generateBy(server.port)),
      peakBytes: () => [server.pid, ...server.children()].reduce((sum, pid) => sum + peakBytes(pid), 0),
      close: () => server.stop(),
    };
  },
};

const generateBy =
  (port: number): Generate =>
  async (prompt, { outputTokens, seed, onToken, signal }) => {
    let tokens = 0;
    let usage: { completion_tokens: number } | undefined;
    await streamLines({
      port,
      path: '/v1/chat/completions',
      body: {
        model: 'default',
        messages: [{ role: 'user', content: prompt.text }],
        max_tokens: outputTokens,
        seed,
        ignore_eos: true,
        stream: true,
        stream_options: { include_usage: true },
      },
      onLine(line) {
        if (line.includes('"delta":{"content":')) {
          tokens += 1;
          onToken();
        } else if (line.includes('"usage":{')) {
          usage = (JSON.parse(line.slice('data: '.length)) as { usage: typeof usage }).usage;
        } else if (line.includes('"error":{')) throw new Error(line);
      },
      ...(signal ? { signal } : {}),
    });
    return usage?.completion_tokens ?? tokens;
  };
