// The part of `freehold keys` that is about credentials for the AWS SDKs: an access key id and a secret that signs
// requests. Straight in the store, like keys.
import type { ApiKey, KeyOptions } from '../../store/keys.ts';
import type { Store } from '../../store/open.ts';
import type { Output } from '../output.ts';

/** Creates a credential and shows it, as environment variables that the SDKs read. */
export async function createAws(store: Store, output: Output, options: KeyOptions): Promise<void> {
  const { createAwsCredential } = await import('../../store/aws-credentials.ts');
  const { id, accessKeyId, secretAccessKey } = await createAwsCredential(store, options);
  const { name, role, scopes, expiresAt } = options;
  output.data({
    type: 'aws',
    id,
    accessKeyId,
    secretAccessKey,
    name: name.trim(),
    role,
    scopes,
    expiresAt: expiresAt ?? null,
  });
  output.line(output.style.bold(`AWS_ACCESS_KEY_ID=${accessKeyId}`));
  output.line(output.style.bold(`AWS_SECRET_ACCESS_KEY=${secretAccessKey}`));
  if (output.json) return;
  const until = expiresAt === undefined ? '' : ` Good until ${new Date(expiresAt).toISOString().slice(0, 16)}Z.`;
  output.note(
    output.errorStyle.dim(
      `${role} credential ${id}. The secret is shown this once: keep it. Any region will do.${until}`,
    ),
  );
}

/** All credentials: as `--json` shows them, and as rows of the table of keys. */
export async function listAws(store: Store): Promise<{ shown: object[]; rows: ApiKey[] }> {
  const { listAwsCredentials } = await import('../../store/aws-credentials.ts');
  const all = await listAwsCredentials(store);
  return {
    shown: all.map((each) => ({
      ...each,
      lastUsedAt: each.lastUsedAt ?? null,
      revokedAt: each.revokedAt ?? null,
      expiresAt: each.expiresAt ?? null,
    })),
    rows: all.map(({ accessKeyId, ...each }) => ({
      ...each,
      prefix: accessKeyId.slice(0, 8),
      rotatedAt: undefined,
      previousUntil: undefined,
    })),
  };
}

/** Whether an id names such a credential: its own, or its access key id. */
export const isAwsId = (id: string): boolean => /^(aws_|FHIA)/.test(id);

/** @throws FreeholdError not_found for one that is unknown or revoked */
export async function revokeAws(store: Store, output: Output, id: string): Promise<void> {
  const { revokeAwsCredential } = await import('../../store/aws-credentials.ts');
  if (!(await revokeAwsCredential(store, id))) {
    const { FreeholdError } = await import('../../lib/errors.ts');
    throw new FreeholdError('not_found', `There is no credential "${id.slice(0, 100)}" in use.`, {
      hint: '`freehold keys list` shows the ids (aws_…).',
    });
  }
  output.data({ revoked: id });
  output.line(`Revoked ${id}.`);
}
