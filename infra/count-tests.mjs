// Adds up the reports that vitest has left in the directory given, and ends with "N passed, N failed".
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [directory] = process.argv.slice(2)
let passed = 0
let failed = 0
for (const name of readdirSync(directory)) {
  const report = JSON.parse(readFileSync(join(directory, name), 'utf8'))
  passed += report.numPassedTests
  failed += report.numFailedTests
  // A file that cannot even be loaded has no tests that could fail.
  failed += report.testResults.filter(({ status, assertionResults }) => {
    return status === 'failed' && !assertionResults.some((result) => result.status === 'failed')
  }).length
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = passed > 0 && failed === 0 ? 0 : 1
