import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Identity } from './commands.ts'

/** Reads `<client id>.key` and `<client id>.crt` (with its chain), PEM, of a folder; in the order of their names. */
export async function loadIdentities(directory: string): Promise<Identity[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.crt')).map((name) => name.slice(0, -4))
  const read = (name: string) => readFile(join(directory, name), 'utf8')
  return Promise.all(
    names.sort().map(async (id) => ({ id, cert: await read(`${id}.crt`), key: await read(`${id}.key`) })),
  )
}
