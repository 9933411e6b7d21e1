import { createRandom } from '../../random.ts'

export interface Place {
  host: string
  port: number
  localAddress?: string
  family?: number
}

/**
 * Where somebody else would come from: on one machine another loopback address (Linux has all of 127/8), as the platform remembers
 * addresses that bring nothing good, and the devices beside are not to pay for it.
 */
export function fromElsewhere({ host, port }: { host: string; port: number }, seed: number): Place {
  const isLoopback = host === 'localhost' || host.startsWith('127.')
  if (!isLoopback || process.platform !== 'linux') return { host, port }
  const random = createRandom('elsewhere', seed)
  const part = () => 1 + Math.floor(random() * 254)
  return { host, port, localAddress: `127.66.${part()}.${part()}`, family: 4 }
}
