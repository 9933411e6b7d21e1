import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type BrowserContext, chromium } from 'playwright-core'
import type { TlsCredentials } from './raw-mqtt.ts'

const run = promisify(execFile)

/** As root in a container, without a screen, and asking nobody for anything by itself. */
export const chromiumOptions = {
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
}

export interface Person extends AsyncDisposable {
  context: BrowserContext
}

/**
 * A browser as its owner has set it up: with a certificate of its own, which it sends to `port` without asking, and with
 * `root` among those it trusts. It verifies as ever; without `root` it believes nobody here.
 */
export async function openPersonalChromium(options: {
  port: number
  credentials: TlsCredentials
  root: string | undefined
}): Promise<Person> {
  const { port, root } = options
  await using opening = new AsyncDisposableStack()
  const home = await mkdtemp(join(tmpdir(), 'muster-chromium-'))
  opening.defer(() => rm(home, { recursive: true, force: true }))
  await fillCertificateStore(home, options.credentials, root)
  const profile = join(home, 'profile')
  await mkdir(join(profile, 'Default'), { recursive: true })
  await writeFile(join(profile, 'Default/Preferences'), JSON.stringify(chooseCertificateFor(port)))
  const context = await chromium.launchPersistentContext(profile, {
    ...chromiumOptions,
    env: { ...process.env, HOME: home },
    // Pages of the internet may not reach this machine unasked: to them the broker is to be as far away as it would be.
    args: [...chromiumOptions.args, `--ip-address-space-overrides=127.0.0.1:${port}=public,[::1]:${port}=public`],
  })
  opening.defer(() => context.close())
  const opened = opening.move()
  return { context, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

/** Chromium on Linux takes certificates and roots from NSS, in the home directory. */
async function fillCertificateStore(home: string, { key, cert }: TlsCredentials, root: string | undefined) {
  const directory = join(home, '.pki/nssdb')
  await mkdir(directory, { recursive: true })
  const store = `sql:${directory}`
  const file = async (name: string, content: string) => {
    await writeFile(join(home, name), content, { mode: 0o600 })
    return join(home, name)
  }
  await run('certutil', ['-N', '-d', store, '--empty-password'])
  if (root) await run('certutil', ['-A', '-d', store, '-n', 'root', '-t', 'C,,', '-i', await file('root.pem', root)])
  const packed = join(home, 'device.p12')
  const from = ['-inkey', await file('key.pem', key), '-in', await file('chain.pem', cert), '-name', 'device']
  await run('openssl', ['pkcs12', '-export', ...from, '-out', packed, '-passout', 'pass:here'])
  await run('pk12util', ['-i', packed, '-d', store, '-W', 'here'])
}

/** What an administrator's policy AutoSelectCertificateForUrls comes to, in this profile alone. */
const chooseCertificateFor = (port: number) => ({
  profile: {
    content_settings: {
      exceptions: { auto_select_certificate: { [`https://localhost:${port},*`]: { setting: { filters: [{}] } } } },
    },
  },
})
