// Names of models as Bedrock has them: a name, or an ARN that ends with one. Knows no models.

/**
 * What a model id may mean, likeliest first: itself, what follows an ARN's kind of resource, what follows the last slash.
 * `arn:aws:bedrock:eu-west-1:1:inference-profile/qwen3:4b` may mean `qwen3:4b`.
 */
export function modelNames(id: string): string[] {
  const resource = /^arn:[^/]*?:[^/:]*\/(.+)$/.exec(id)?.[1] ?? id;
  const last = id.slice(id.lastIndexOf('/') + 1);
  return [...new Set([id, resource, last])].filter((name) => name !== '');
}

/** The ARN under which a model is listed. */
export const modelArn = (name: string): string => `arn:aws:bedrock:local::foundation-model/${name}`;
