import { ConfigError } from '@muster/contracts/config'
import { type KeyStore, preferKeyStore } from '@muster/pki'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'

/** The key store of the configuration; none for the files of the data directory. */
export async function openKeys(
  { pkcs11, caDirectory, caPassphrase }: Pick<Config, 'pkcs11' | 'caDirectory' | 'caPassphrase'>,
  log: Logger,
): Promise<{ keys: KeyStore | undefined } & AsyncDisposable> {
  if (!pkcs11) return { keys: undefined, [Symbol.asyncDispose]: async () => {} }
  const { openPkcs11KeyStore } = await loadPackage()
  const store = await openPkcs11KeyStore({
    ...pkcs11,
    onLost: (err) => log.error({ err, reason: err.reason }, 'the HSM is away: nothing can be signed'),
    onFound: () => log.info('the HSM is back'),
  })
  return {
    keys: preferKeyStore(store, { directory: caDirectory, passphrase: caPassphrase }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}

async function loadPackage() {
  try {
    return await import('@muster/pkcs11')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error
    throw new ConfigError(['MUSTER_CA_KEYS: pkcs11 needs the package @muster/pkcs11, which is not installed'])
  }
}
