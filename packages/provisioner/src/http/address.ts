import { BlockList, isIPv4, isIPv6 } from 'node:net'
import type { Context } from 'hono'
import type { AppEnv } from './env.ts'

/** The peer's address without its port; IPv4 in its own form on a dual-stack socket. */
export function readAddress(c: Context<AppEnv>): string {
  const address = c.env?.incoming?.socket?.remoteAddress ?? ''
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '').replace(/%.*$/, '')
}

export function isInNetworks(address: string, networks: readonly string[]): boolean {
  const list = new BlockList()
  for (const network of networks) {
    const [prefix = '', bits = ''] = network.split('/')
    list.addSubnet(prefix, Number(bits), isIPv6(prefix) ? 'ipv6' : 'ipv4')
  }
  if (isIPv4(address)) return list.check(address, 'ipv4')
  return isIPv6(address) && list.check(address, 'ipv6')
}

/** Who is limited together: an IPv4 address, or the /64 that one IPv6 customer has to itself. */
export function limitedTogether(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail = ''] = address.split('::')
  const left = head ? head.split(':') : []
  const right = tail ? tail.split(':') : []
  const zeros = address.includes('::') ? Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0') : []
  return [...left, ...zeros, ...right].slice(0, 4).join(':')
}
