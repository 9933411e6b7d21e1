import { readdir } from 'node:fs/promises'

/** Client ids of a folder with `<client id>.crt` and `<client id>.key`: device `index` is the one at `index`. */
export async function listIdentities(directory: string): Promise<string[]> {
  const names = await readdir(directory)
  const known = new Set(names)
  return names
    .filter((name) => name.endsWith('.crt') && known.has(`${name.slice(0, -4)}.key`))
    .map((name) => name.slice(0, -4))
    .sort()
}
