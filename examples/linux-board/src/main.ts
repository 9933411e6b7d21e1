import { endingBySignal } from './ending.ts'
import { exitCodeOf } from './exit-code.ts'
import { live } from './live.ts'

const [url, claimFile, directory, seconds = '10', pollSeconds = '3600'] = process.argv.slice(2)
if (!url || !claimFile || !directory || !(Number(seconds) > 0 && Number(pollSeconds) > 0)) {
  console.error(
    'usage: main.ts <provisioner> <claim file> <directory> [seconds between readings] [seconds between questions when to renew]',
  )
  process.exit(64)
}

const signal = endingBySignal()
try {
  await live({
    url,
    claimFile,
    directory,
    everyMs: Number(seconds) * 1_000,
    pollMs: Number(pollSeconds) * 1_000,
    signal,
  })
} catch (error) {
  if (!signal.aborted) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = exitCodeOf(error)
  }
}
// A connection whose other side is gone would hold it up.
process.exit()
