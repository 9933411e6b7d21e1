import { readdir, readFile } from 'node:fs/promises'

const folder = new URL('../../scenarios/', import.meta.url)

/** The names of the scenarios that come with the simulator. */
export async function listLibrary(): Promise<string[]> {
  const files = await readdir(folder)
  return files
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort()
}

/** @returns undefined where the library has none of this name */
export async function readFromLibrary(name: string): Promise<string | undefined> {
  return (await listLibrary()).includes(name) ? readFile(new URL(`${name}.yaml`, folder), 'utf8') : undefined
}
