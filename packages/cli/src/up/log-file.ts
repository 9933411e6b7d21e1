import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Appends lines; at the limit the file is set aside as `<name>.log.1`, so that at most twice the limit is kept. */
export function openLogFile(directory: string, name: string, limitBytes = 10 * 1024 * 1024) {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, `${name}.log`)
  let file = openSync(path, 'a', 0o600)
  let size = fstatSync(file).size
  return {
    path,
    write(line: string): void {
      const content = Buffer.from(`${line}\n`)
      if (size > 0 && size + content.length > limitBytes) {
        closeSync(file)
        renameSync(path, `${path}.1`)
        file = openSync(path, 'a', 0o600)
        size = 0
      }
      writeSync(file, content)
      size += content.length
    },
    [Symbol.dispose]: () => closeSync(file),
  }
}
