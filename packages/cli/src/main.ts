import { ConfigError } from '@muster/contracts/config'
import { loadConfig } from './config.ts'
import { exitCodes } from './exit.ts'
import { runProgram } from './program.ts'
import { endWithReader } from './signals.ts'

endWithReader(process.stdout, process.stderr)
try {
  const io = { stdout: process.stdout, stderr: process.stderr, now: () => new Date() }
  const config = loadConfig(process.env)
  process.exitCode = await runProgram({ io, config, env: process.env }, process.argv.slice(2))
} catch (error) {
  if (!(error instanceof ConfigError)) throw error
  process.stderr.write(`muster: ${error.message}\n`)
  process.exitCode = exitCodes.usage
}
