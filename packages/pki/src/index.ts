export { CaError, type CaErrorCode } from './ca/ca-error.ts'
export { createIssuingCertificate, createRootCertificate } from './ca/certificates.ts'
export { type ImportIssuerOptions, type ImportRootOptions, importIssuer, importRoot } from './ca/import-issuer.ts'
export {
  createIssuingCsr,
  type IssuingCsrOptions,
  type SignIssuingCsrOptions,
  signIssuingCsr,
} from './ca/issuing-request.ts'
export { type FileKeyStore, fileKeyStore, type KeyStore, keySigner } from './ca/key-store.ts'
export { type CaListing, listCa } from './ca/list.ts'
export { moveKey } from './ca/move-key.ts'
export { type Ca, type CaOptions, openCa } from './ca/open.ts'
export { type CaPlace, openKeyStore } from './ca/passphrase.ts'
export { preferKeyStore } from './ca/prefer-store.ts'
export { createRoot, type Root, type RootOptions } from './ca/root.ts'
export { isPlainPath } from './certificate/is-plain-path.ts'
export { type CrlEntries, createCrlEntries, type RevokedCertificate } from './crl/entries.ts'
export type { CrlReason } from './crl/reason.ts'
export { shardOf } from './crl/serial.ts'
export { type Crl, type CrlContent, type CrlIssuer, signCrl } from './crl/sign.ts'
export { createCsr } from './csr/create.ts'
export { type Csr, readCsr } from './csr/read.ts'
export { decodeEstBody, encodeEstBody } from './est/body.ts'
export { encodeCertsOnly } from './est/certs-only.ts'
export { encodeCsrAttributes } from './est/csr-attributes.ts'
export { requireSameSubject } from './est/require-same-subject.ts'
export { certificateFingerprint, keyFingerprint } from './fingerprint.ts'
export { type CertificateRequest, type IssuedCertificate, issueCertificate } from './issue.ts'
export type { Issuer, IssuerUrls, Signer } from './issuer.ts'
export { generateKey, type KeyAlgorithm } from './keys/generate.ts'
export { requireAllowedKey } from './keys/require-allowed-key.ts'
export {
  createOcspRequest,
  encodeOcspCertId,
  encodeOcspRequest,
  isIssuedBy,
  type OcspHash,
  type OcspIssuerHashes,
  ocspIssuerHashes,
} from './ocsp/cert-id.ts'
export { type OcspCertId, type OcspRequest, readOcspRequest } from './ocsp/request.ts'
export { createOcspResponder, type OcspResponder, type OcspResponderOptions } from './ocsp/responder.ts'
export {
  encodeOcspError,
  type OcspAnswer,
  type OcspError,
  type OcspResponseContent,
  type OcspStatus,
  signOcspResponse,
} from './ocsp/response.ts'
export { type VerifiedOcspResponse, verifyOcspResponse } from './ocsp/verify-response.ts'
export { decodeBase64, decodePem, encodePem } from './pem.ts'
export { maxValidityMs } from './profiles.ts'
export { createRenewalProof, type RenewalProof, type RenewalProofInput } from './renewal-proof/create.ts'
export { parseRenewalProof, type VerifiedRenewal, verifyRenewalProof } from './renewal-proof/verify.ts'
export { signatureAlgorithmFor } from './signatures.ts'
