export { openPkcs11KeyStore, type Pkcs11Options } from './key-store.ts'
export type { FailureReason, TokenKeyAlgorithm } from './token/messages.ts'
export { TokenError } from './token/token-error.ts'
