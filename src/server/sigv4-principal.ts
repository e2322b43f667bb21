// Who signed a request as AWS's SDKs do (SigV4): the credential whose secret made the signature. Reads the body to do so;
// routes then parse the same bytes.
import { FreeholdError } from '../lib/errors.ts';
import { findAwsCredential, noteAwsCredentialUse } from '../store/aws-credentials.ts';
import { isSigned, readSignature, requireCurrent, type SignedRequest, verifySignature } from '../wire/bedrock/sigv4.ts';
import { readBody } from './body.ts';
import type { AppContext, Principal, Services } from './context.ts';

/** Whether a request wants to be known by a signature, in its Authorization header or in its query. */
export const isSignedRequest = (c: AppContext): boolean => isSigned(signedRequest(c));

/**
 * @throws FreeholdError signature_invalid; unauthorized for an access key id that is not known here; as `readJson` for a
 *   body that is too large. What costs least is checked first: of strangers no body is read
 */
export async function resolveSigV4(c: AppContext, services: Services): Promise<Principal> {
  const request = signedRequest(c);
  const signature = readSignature(request);
  requireCurrent(signature, Date.now());
  const credential = await findAwsCredential(services.store, signature.accessKeyId);
  if (!credential) {
    throw new FreeholdError('unauthorized', 'The security token included in the request is invalid.', {
      hint: 'The access key id is not known here, revoked or expired. Make one with: freehold keys create --type aws --name NAME',
    });
  }
  const body = await readBody(c, services.config.bodyLimitBytes);
  verifySignature(request, signature, credential.secretAccessKey, body);
  await noteAwsCredentialUse(services.store, credential);
  const { id, name, role, scopes } = credential;
  return { tenant: id, keyId: id, name, role, scopes, via: 'signature' };
}

function signedRequest(c: AppContext): SignedRequest {
  const url = new URL(c.req.url);
  const incoming = c.env?.incoming;
  const headers = new Map(c.req.raw.headers);
  // over HTTP/2 there is an authority in its place
  if (!headers.has('host'))
    headers.set('host', (incoming as { authority?: string } | undefined)?.authority ?? url.host);
  return {
    method: c.req.method,
    // as on the wire: an URL that was parsed is no longer what was signed
    target: incoming?.url ?? url.pathname + url.search,
    headers,
  };
}
