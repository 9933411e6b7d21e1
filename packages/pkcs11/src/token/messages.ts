export type TokenKeyAlgorithm = 'p256' | 'p384' | 'rsa3072'

/** Which token, and what opens it. */
export interface TokenAddress {
  /** The path of the vendor's PKCS#11 library. */
  module: string
  /** Its label. */
  token: string
  pin: string
}

export interface TokenKey {
  /** CKA_ID. */
  id: Buffer
  /** SubjectPublicKeyInfo, DER. */
  spki: Buffer
}

/** What the process that holds the token is asked. */
export type TokenRequest =
  | ({ what: 'open' } & TokenAddress)
  | { what: 'find'; label: string }
  | { what: 'create'; label: string; algorithm: TokenKeyAlgorithm }
  | { what: 'sign'; id: Buffer; digest: Buffer }

export interface TokenAnswers {
  open: undefined
  find: TokenKey | undefined
  create: TokenKey
  sign: Buffer
}

export type FailureReason =
  | 'not-built'
  | 'module-missing'
  | 'token-missing'
  | 'pin-refused'
  | 'key-missing'
  | 'key-ambiguous'
  | 'key-contested'
  | 'key-unsuitable'
  | 'away'
  | 'silent'

export type Reply =
  | { id: number; value: unknown }
  | { id: number; failure: { reason: FailureReason; detail: string; code: string } }
