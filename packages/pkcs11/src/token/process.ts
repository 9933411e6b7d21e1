// The process that has the vendor's library: it may block, crash or hang there without anybody else noticing more than an error.
import type { Handle } from 'pkcs11js'
import { countKeys, type FoundKey, findKey, generateKey } from './keys.ts'
import type { Reply, TokenAnswers, TokenKey, TokenKeyAlgorithm, TokenRequest } from './messages.ts'
import { type OpenToken, openToken } from './open.ts'
import { poolSessions } from './session-pool.ts'
import { encodeDigestInfo, encodeEcdsaSignature } from './signature.ts'
import { TokenError } from './token-error.ts'

/** libuv has as many threads by default. */
const sessionCount = 4
const longestSignature = 1024

let token: OpenToken
let withSession: ReturnType<typeof poolSessions>
const known = new Map<string, FoundKey>()

async function open(request: Extract<TokenRequest, { what: 'open' }>): Promise<void> {
  token = await openToken(request)
  const { library, module, slot } = token
  withSession = poolSessions(
    Array.from({ length: sessionCount }, () => module.C_OpenSession(slot, library.CKF_SERIAL_SESSION)),
  )
}

function find(session: Handle, by: { label: string } | { id: Buffer }): FoundKey | undefined {
  const key = findKey(token, session, by)
  if (key) known.set(key.id.toString('hex'), key)
  return key
}

/** PKCS#11 has no unique names: who sees a second key of the label beside its own takes its own back. */
async function create(label: string, algorithm: TokenKeyAlgorithm): Promise<TokenKey> {
  const { library, module, slot } = token
  const session = module.C_OpenSession(slot, library.CKF_SERIAL_SESSION | library.CKF_RW_SESSION)
  try {
    const existing = find(session, { label })
    if (existing) return describe(existing)
    const made = await generateKey(token, session, label, algorithm)
    const key = countKeys(token, session, label) === 1 ? find(session, { label }) : undefined
    if (key) return describe(key)
    made.destroy()
    throw new TokenError('key-contested', `another process makes the key ${label} at the same time`)
  } finally {
    module.C_CloseSession(session)
  }
}

async function sign(session: Handle, id: Buffer, digest: Buffer): Promise<Buffer> {
  const key = known.get(id.toString('hex')) ?? find(session, { id })
  if (!key) throw new TokenError('key-missing', 'the key is no longer in the token')
  const { library, module } = token
  const isEc = key.kind === 'ec'
  module.C_SignInit(session, { mechanism: isEc ? library.CKM_ECDSA : library.CKM_RSA_PKCS }, key.handle)
  const bytes = isEc ? digest : encodeDigestInfo(digest)
  const signature = await module.C_SignAsync(session, bytes, Buffer.alloc(longestSignature))
  return isEc ? encodeEcdsaSignature(signature) : signature
}

async function answer(request: TokenRequest): Promise<TokenAnswers[TokenRequest['what']]> {
  switch (request.what) {
    case 'open':
      return open(request).then(() => undefined)
    case 'find':
      return withSession(async (session) => {
        const key = find(session, request)
        return key && describe(key)
      })
    case 'create':
      return create(request.label, request.algorithm)
    case 'sign':
      return withSession((session) => sign(session, request.id, request.digest))
  }
}

const describe = ({ id, spki }: FoundKey): TokenKey => ({ id, spki })

function reply(message: Reply): void {
  if (process.connected) process.send?.(message)
}

process.on('message', ({ id, request }: { id: number; request: TokenRequest }) => {
  answer(request).then(
    (value) => reply({ id, value }),
    (error: Error) => {
      const { reason, detail, code } =
        error instanceof TokenError ? error : new TokenError('away', 'the HSM does not answer', error.message)
      reply({ id, failure: { reason, detail, code } })
    },
  )
})
process.on('disconnect', () => process.exit())
// A Ctrl-C in the terminal reaches everybody: what is being signed is signed, and the end comes with the parent's.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
