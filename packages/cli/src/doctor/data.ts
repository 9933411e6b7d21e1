import { X509Certificate } from 'node:crypto'
import { access, constants, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { formatInstant } from '../output/format.ts'
import type { Finding } from './command.ts'

const secrets = ['operator-token', 'ca/root.key', 'ca/passphrase']

export async function examineData(data: string, ca = join(data, 'ca/root.crt')): Promise<Finding[]> {
  return [await examineDirectory(data), await examineRoot(ca), ...(await examineSecrets(data))]
}

async function examineDirectory(data: string): Promise<Finding> {
  const what = 'data directory'
  try {
    await access(data, constants.R_OK | constants.W_OK | constants.X_OK)
    return { what, state: 'good', detail: data }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const advice = code === 'ENOENT' ? '`muster up` makes it' : 'make it writable for this user'
    return { what, state: 'bad', detail: `${data} (${code}): ${advice}, or name another with --data` }
  }
}

async function examineRoot(file: string): Promise<Finding> {
  const what = 'root certificate'
  try {
    const root = new X509Certificate(await readFile(file))
    const until = formatInstant(root.validToDate.toISOString())
    if (root.validToDate.getTime() < Date.now()) return { what, state: 'bad', detail: `expired at ${until}` }
    return { what, state: 'good', detail: `${file}, valid until ${until}` }
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'no certificate'
    return { what, state: 'bad', detail: `${file} (${why}): \`muster up\` makes one` }
  }
}

async function examineSecrets(data: string): Promise<Finding[]> {
  const modes = await Promise.all(
    secrets.map(async (name) => ({ name, mode: (await stat(join(data, name)).catch(() => undefined))?.mode })),
  )
  const open = modes.filter(({ mode }) => mode !== undefined && (mode & 0o077) !== 0)
  return open.map(({ name }) => ({
    what: 'secrets',
    state: 'bad',
    detail: `others may read ${join(data, name)}: chmod 600 it`,
  }))
}
