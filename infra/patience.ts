import { vi } from 'vitest'

/**
 * In every test file: how long what is waited for may take. It is over as soon as it is there; a machine that has other work to
 * do needs more than the second that vitest gives, and is not at fault.
 */
const leastMs = 30_000
const { waitFor } = vi
vi.waitFor = (callback, options = {}) => {
  const { timeout = leastMs, ...rest } = typeof options === 'number' ? { timeout: options } : options
  return waitFor(callback, { interval: 20, ...rest, timeout: Math.max(leastMs, timeout) })
}
