import { randomBytes } from 'node:crypto'
import type { Attribute, Handle } from 'pkcs11js'
import type { TokenKey, TokenKeyAlgorithm } from './messages.ts'
import type { OpenToken } from './open.ts'
import { curves, encodeEcPublicKey, encodeRsaPublicKey } from './public-key.ts'
import { TokenError } from './token-error.ts'

export interface FoundKey extends TokenKey {
  handle: Handle
  kind: 'ec' | 'rsa'
}

/** The key pair that a label, or an id, names. */
export function findKey(
  token: OpenToken,
  session: Handle,
  by: { label: string } | { id: Buffer },
): FoundKey | undefined {
  const { library } = token
  const criterion =
    'label' in by ? { type: library.CKA_LABEL, value: by.label } : { type: library.CKA_ID, value: by.id }
  const handles = findObjects(token, session, [{ type: library.CKA_CLASS, value: library.CKO_PRIVATE_KEY }, criterion])
  const [handle] = handles
  if (!handle) return undefined
  if (handles.length > 1)
    throw new TokenError(
      'key-ambiguous',
      `the token has ${handles.length} keys called ${'label' in by ? by.label : by.id.toString('hex')}: remove those that are not in use`,
    )
  const id = readAttribute(token, session, handle, library.CKA_ID)
  const isEc = readAttribute(token, session, handle, library.CKA_KEY_TYPE).readUInt32LE() === library.CKK_EC
  return { handle, id, kind: isEc ? 'ec' : 'rsa', spki: readPublicKey(token, session, id, isEc) }
}

export function countKeys(token: OpenToken, session: Handle, label: string): number {
  const { library } = token
  const criteria = [
    { type: library.CKA_CLASS, value: library.CKO_PRIVATE_KEY },
    { type: library.CKA_LABEL, value: label },
  ]
  return findObjects(token, session, criteria).length
}

function readPublicKey(token: OpenToken, session: Handle, id: Buffer, isEc: boolean): Buffer {
  const { library } = token
  const criteria = [
    { type: library.CKA_CLASS, value: library.CKO_PUBLIC_KEY },
    { type: library.CKA_ID, value: id },
  ]
  const [handle] = findObjects(token, session, criteria)
  if (!handle) throw new TokenError('key-unsuitable', 'the token holds a CA key without its public half')
  const read = (type: number) => readAttribute(token, session, handle, type)
  return isEc
    ? encodeEcPublicKey(read(library.CKA_EC_PARAMS), read(library.CKA_EC_POINT))
    : encodeRsaPublicKey(read(library.CKA_MODULUS), read(library.CKA_PUBLIC_EXPONENT))
}

/** Makes a pair in the token, whose private half never leaves it. */
export async function generateKey(token: OpenToken, session: Handle, label: string, algorithm: TokenKeyAlgorithm) {
  const { library, module } = token
  const id = randomBytes(16)
  const both = [
    { type: library.CKA_TOKEN, value: true },
    { type: library.CKA_LABEL, value: label },
    { type: library.CKA_ID, value: id },
  ]
  const isRsa = algorithm === 'rsa3072'
  const parameters: Attribute[] = isRsa
    ? [
        { type: library.CKA_MODULUS_BITS, value: 3072 },
        { type: library.CKA_PUBLIC_EXPONENT, value: Buffer.from([1, 0, 1]) },
      ]
    : [{ type: library.CKA_EC_PARAMS, value: curves[algorithm].parameters }]
  const pair = await module.C_GenerateKeyPairAsync(
    session,
    { mechanism: isRsa ? library.CKM_RSA_PKCS_KEY_PAIR_GEN : library.CKM_EC_KEY_PAIR_GEN },
    [...both, { type: library.CKA_VERIFY, value: true }, ...parameters],
    [
      ...both,
      { type: library.CKA_PRIVATE, value: true },
      { type: library.CKA_SENSITIVE, value: true },
      { type: library.CKA_EXTRACTABLE, value: false },
      { type: library.CKA_SIGN, value: true },
    ],
  )
  const destroy = () => {
    for (const half of [pair.privateKey, pair.publicKey]) module.C_DestroyObject(session, half)
  }
  const isSet = (type: number) => readAttribute(token, session, pair.privateKey, type)[0] === 1
  if (!isSet(library.CKA_SENSITIVE) || isSet(library.CKA_EXTRACTABLE)) {
    destroy()
    throw new TokenError('key-unsuitable', 'the token makes only keys that can be taken out of it')
  }
  return { destroy }
}

function findObjects({ module }: OpenToken, session: Handle, criteria: Attribute[]): Handle[] {
  module.C_FindObjectsInit(session, criteria)
  try {
    return module.C_FindObjects(session, 16)
  } finally {
    module.C_FindObjectsFinal(session)
  }
}

function readAttribute({ module }: OpenToken, session: Handle, object: Handle, type: number): Buffer {
  const value = module.C_GetAttributeValue(session, object, [{ type }])[0]?.value
  if (!Buffer.isBuffer(value)) throw new TokenError('key-unsuitable', 'the token does not say what key it holds')
  return value
}
