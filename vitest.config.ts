import { defineConfig } from 'vitest/config'
import LongestFirst from './infra/longest-first.ts'

const globalSetup = ['./packages/db/src/testing-setup.ts']
/** A test that hangs fails; one that a busy machine holds up does not. */
const patience = {
  setupFiles: ['./infra/patience.ts'],
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 30_000, interval: 20 } },
}

// A report for each run, for whoever adds them up.
const results = process.env.MUSTER_TEST_RESULTS
export default defineConfig({
  test: {
    // Half as many again as there are cores: most files that start processes wait for half of their time.
    maxWorkers: '150%',
    sequence: { sequencer: LongestFirst },
    reporters: results ? ['default', 'json'] : ['default'],
    outputFile: { json: `${results}/${process.pid}.json` },
    projects: [
      {
        test: {
          ...patience,
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts'],
          exclude: ['packages/*/src/**/*.{db,process}.test.ts'],
          // What a command prints is compared, whatever the machine asks to be painted.
          env: { FORCE_COLOR: '0' },
        },
      },
      {
        // Without a database, but seconds long: they start and kill processes, or play whole fleets.
        test: { ...patience, name: 'process', include: ['packages/*/src/**/*.process.test.ts'] },
      },
      { test: { ...patience, name: 'db', include: ['packages/*/src/**/*.db.test.ts'], globalSetup } },
      {
        test: { ...patience, name: 'e2e', include: ['tests/*.test.ts', 'tests/conformance/*.test.ts'], globalSetup },
      },
      { test: { ...patience, name: 'browser', include: ['tests/browser/*.test.ts'], globalSetup } },
    ],
  },
})
