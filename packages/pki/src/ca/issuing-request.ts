import { createPublicKey, type X509Certificate } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import { encodeSigned } from '../certificate/encode.ts'
import { encodeName } from '../certificate/name.ts'
import { type Csr, readCsr } from '../csr/read.ts'
import { contextConstructed, encodeDer, sequence, smallInteger } from '../der/writer.ts'
import { encodePem } from '../pem.ts'
import { signatureAlgorithmFor } from '../signatures.ts'
import { CaError } from './ca-error.ts'
import { createIssuingCertificate } from './certificates.ts'
import { makeDirectory } from './durable-file.ts'
import { type CaPlace, openKeyStore } from './passphrase.ts'
import { openRootKey } from './root.ts'
import { readCertificate, requireChain, requireKey, storeCertificate } from './stored-certificates.ts'

export interface IssuingCsrOptions extends CaPlace {
  /** Of the issuing CA, as in `<name>.key`. */
  name: string
}

/** A request (PEM) for the certificate of an issuing CA, whose key is made here and stays. The root may be anybody's. @throws CaError */
export async function createIssuingCsr(options: IssuingCsrOptions): Promise<string> {
  const { directory, name } = options
  await makeDirectory(directory)
  const keys = await openKeyStore(options)
  const signer = (await keys.open(name)) ?? (await keys.create(name))
  const subject = encodeName({ commonName: `Muster ${name}` })
  const info = encodeDer(sequence(smallInteger(0), subject, signer.spki, contextConstructed(0)))
  const algorithm = signatureAlgorithmFor(createPublicKey({ key: signer.spki, format: 'der', type: 'spki' }))
  return encodePem('CERTIFICATE REQUEST', encodeSigned(info, algorithm, await signer.sign(info)))
}

export interface SignIssuingCsrOptions extends CaPlace {
  now: Date
  /** PEM or base64, or DER. */
  csr: string | Uint8Array
  /** Of the issuing CA, as it will be known: the request has no say in it. */
  name: string
  rootName?: string | undefined
}

/**
 * Where the root is: certifies the key of a request as an issuing CA, and keeps the certificate as `<name>.crt`, so that the same
 * request gets the same certificate again and another one for that name is refused.
 * @throws CaError
 */
export async function signIssuingCsr(options: SignIssuingCsrOptions): Promise<X509Certificate> {
  const { directory, now, name, rootName = 'root' } = options
  const { spki } = readRequest(options.csr)
  await makeDirectory(directory)
  const root = await readCertificate(directory, rootName)
  if (!root) throw new CaError('certificate-missing', `there is no certificate of ${rootName} in ${directory}`)
  requireChain([root], root, now)
  const sign = async () => {
    const signer = await openRootKey(await openKeyStore(options), rootName, root)
    const subject = { name, spki, trustDomain: organizationOf(root) }
    return storeCertificate(
      directory,
      name,
      await createIssuingCertificate({ certificate: root, signer }, subject, now),
    )
  }
  const certificate = (await readCertificate(directory, name)) ?? (await sign())
  requireChain([certificate], root, now)
  requireKey(certificate, { spki }, name)
  return certificate
}

function readRequest(csr: string | Uint8Array): Csr {
  try {
    return readCsr(csr)
  } catch (error) {
    if (!(error instanceof MusterError)) throw error
    throw new CaError('request-invalid', `the request cannot be signed: ${error.detail}`, { cause: error })
  }
}

function organizationOf(root: X509Certificate): string {
  return /^O=(.+)$/m.exec(root.subject)?.[1] ?? 'muster.local'
}
