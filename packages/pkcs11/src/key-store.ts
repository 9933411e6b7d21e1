import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { MusterError } from '@muster/contracts'
import { CaError, type KeyStore, type Signer, signatureAlgorithmFor } from '@muster/pki'
import { type KeepOptions, type KeptLink, keepLink } from './link/keep.ts'
import type { TokenAnswers, TokenKey, TokenKeyAlgorithm, TokenRequest } from './token/messages.ts'
import { TokenError } from './token/token-error.ts'

export interface Pkcs11Options extends Omit<KeepOptions, 'patienceMs'> {
  /** Of the keys that are made. */
  algorithm?: TokenKeyAlgorithm | undefined
  patienceMs?: number | undefined
}

const labelOf = (name: string) => `muster-${name}`

/** An RSA key can take a token a while. */
const generationMs = 120_000
/**
 * CA keys that are made in a PKCS#11 token and never leave it, found again by label (`muster-<name>`) and CKA_ID.
 * The token is opened at once, in a process of its own, and again after it was away.
 * Processes that may make the same key take turns (those of a registry do, by its lock): a token does not tell them of each other.
 * @throws MusterError `unavailable`; CaError where the token's keys cannot be used
 */
export async function openPkcs11KeyStore(options: Pkcs11Options): Promise<KeyStore & AsyncDisposable> {
  const { algorithm = 'p256', patienceMs = 10_000, ...rest } = options
  const link = keepLink({ ...rest, patienceMs })
  const inTurn = queueWork()
  const store: KeyStore = {
    async open(name) {
      const key = await ask(link, { what: 'find', label: labelOf(name) })
      return key && openSigner(link, name, key)
    },
    create: (name) =>
      inTurn(async () => {
        const key = await ask(link, { what: 'create', label: labelOf(name), algorithm }, generationMs)
        return openSigner(link, name, key)
      }),
  }
  try {
    await link.open().catch(refuse)
  } catch (error) {
    await link[Symbol.asyncDispose]()
    throw error
  }
  return { ...store, [Symbol.asyncDispose]: () => link[Symbol.asyncDispose]() }
}

function queueWork() {
  let last: Promise<unknown> = Promise.resolve()
  return function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work)
    last = turn.catch(() => undefined)
    return turn
  }
}

async function openSigner(link: KeptLink, name: string, { id, spki }: TokenKey): Promise<Signer> {
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  const { hash } = signatureAlgorithmFor(publicKey)
  if (!hash) throw new CaError('key-mismatch', `the key ${name} in the token is of a kind that is not used here`)
  const signDigest = (digest: Buffer) => ask(link, { what: 'sign', id, digest })
  const signer = {
    spki,
    sign: (bytes: Uint8Array) => signDigest(createHash(hash).update(bytes).digest()),
    signParts: async (parts: readonly Uint8Array[]) => signDigest(await hashInTurns(hash, parts)),
  }
  const proof = randomBytes(32)
  if (!verify(hash, proof, publicKey, await signer.sign(proof)))
    throw new CaError('key-mismatch', `the halves of the key ${name} in the token do not belong together`)
  return signer
}

/** A few milliseconds of hashing. */
const turnBytes = 4 * 1024 * 1024

async function hashInTurns(algorithm: string, parts: readonly Uint8Array[]): Promise<Buffer> {
  const hash = createHash(algorithm)
  let bytes = 0
  for (const part of parts) {
    hash.update(part)
    bytes += part.length
    if (bytes < turnBytes) continue
    bytes = 0
    await setImmediate()
  }
  return hash.digest()
}

async function ask<Request extends TokenRequest>(
  link: KeptLink,
  request: Request,
  patienceMs?: number,
): Promise<TokenAnswers[Request['what']]> {
  return link.ask(request, patienceMs).catch(refuse)
}

function refuse(cause: unknown): never {
  if (!(cause instanceof TokenError)) throw cause
  if (cause.reason === 'key-ambiguous' || cause.reason === 'key-unsuitable')
    throw new CaError('key-mismatch', cause.message, { cause })
  throw new MusterError('unavailable', cause.message, { cause })
}
