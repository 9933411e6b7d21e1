import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { serialise } from './html.ts'
import { renderReport } from './render-report.ts'
import type { RunReport } from './run-report.ts'

/** `report.json` for programs and `report.html` for people; tells where they are. Those of an earlier run stay until the new ones are whole. */
export async function writeReport(directory: string, report: RunReport): Promise<{ json: string; html: string }> {
  await mkdir(directory, { recursive: true })
  const files = { json: join(directory, 'report.json'), html: join(directory, 'report.html') }
  await replaceFile(files.json, `${serialise(report, 1)}\n`)
  await replaceFile(files.html, renderReport(report))
  return files
}

/** Rejects where no report could be written there. */
export async function tryDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  const draft = join(directory, `.report.${randomBytes(4).toString('hex')}`)
  try {
    await using file = await open(draft, 'wx')
    // Also where a disk is full: a name often has room that content has not.
    await file.writeFile(Buffer.alloc(tryBytes))
  } finally {
    await rm(draft, { force: true })
  }
}

/** Less than a report ever has. */
const tryBytes = 16_384

async function replaceFile(file: string, content: string): Promise<void> {
  const draft = `${file}.${randomBytes(4).toString('hex')}`
  try {
    {
      await using opened = await open(draft, 'wx')
      await opened.writeFile(content)
    }
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}
