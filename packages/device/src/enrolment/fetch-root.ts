import { X509Certificate } from 'node:crypto'
import { Bootstrap, MusterError } from '@muster/contracts'
import { certificateFingerprint, decodePem, encodePem } from '@muster/pki'
import { readJson } from '../http/read-json.ts'
import { type HttpsAnswer, send } from '../http/send.ts'
import { type Dial, dialFor } from '../trust/dial.ts'

const maxBytes = 65_536
const timeoutMs = 10_000

export interface FetchedRoot extends Disposable {
  /** PEM. */
  root: string
  /** The connection, where it is still there, and what its server has shown. */
  kept: HttpsAnswer['kept']
}

/**
 * The root that the claim names, fetched over a connection that proves nothing and has carried no secret.
 * @throws MusterError `certificate-untrusted` if the server has another root
 */
export async function fetchRoot(
  url: URL,
  fingerprint: string,
  { dial, signal }: { dial: Dial | undefined; signal: AbortSignal | undefined },
): Promise<FetchedRoot> {
  const target = { url: new URL('/v1/bootstrap', url), trust: undefined, dial: dialFor('bootstrap', dial) }
  const answer = await send({ ...target, keepLine: true, maxBytes, timeoutMs, signal })
  using ending = new DisposableStack()
  if (answer.kept) ending.use(answer.kept.line)
  const { roots } = readJson(answer, Bootstrap, url)
  const root = decodeRoots(roots).find((der) => certificateFingerprint(der) === fingerprint)
  if (!root || !new X509Certificate(root).ca)
    throw new MusterError('certificate-untrusted', `${url.host} does not have the root that the claim names`)
  const kept = ending.move()
  return { root: encodePem('CERTIFICATE', root), kept: answer.kept, [Symbol.dispose]: () => kept.dispose() }
}

function decodeRoots(pem: string): Buffer[] {
  try {
    return decodePem('CERTIFICATE', pem)
  } catch (cause) {
    throw new MusterError('certificate-untrusted', 'the roots of the server cannot be read', { cause })
  }
}
