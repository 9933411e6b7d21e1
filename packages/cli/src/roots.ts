import { X509Certificate } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The roots in a data directory, PEM; several while, and after, they are rolled. */
export async function readRoots(data: string): Promise<string | undefined> {
  const directory = join(data, 'ca')
  const files = (await readdir(directory).catch(() => [])).filter((name) => name.endsWith('.crt'))
  const found = await Promise.all(files.map((name) => readFile(join(directory, name), 'utf8').catch(() => '')))
  return found.filter(isRoot).join('') || undefined
}

function isRoot(pem: string): boolean {
  try {
    const certificate = new X509Certificate(pem)
    return certificate.checkIssued(certificate)
  } catch {
    return false
  }
}
