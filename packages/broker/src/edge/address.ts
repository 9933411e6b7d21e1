import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** As it is written everywhere: an IPv4 address that comes through an IPv6 socket is an IPv4 address. */
export function readAddress(socket: { remoteAddress?: string | undefined }): string {
  return (socket.remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d+\.)/, '')
}

/** Who counts as one: an IPv6 subscriber has a /64 and changes within it as it likes (RFC 6177). */
export function addressGroup(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const groups = head.split(':')
  const after = tail ? tail.split(':').length : 0
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - (head ? groups.length : 0) - after)
  const all = [...(head ? groups : []), ...Array<string>(zeros).fill('0')]
  return `${all.slice(0, 4).join(':')}::/64`
}

/** Addresses, and networks in CIDR notation; the configuration has looked at their form. */
export function parseNetworks(networks: readonly string[]): { has(address: string): boolean } {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  const none = networks.length === 0
  return {
    has(address) {
      if (none) return false
      if (isIPv4(address)) return list.check(address, 'ipv4')
      return isIPv6(address) && list.check(address, 'ipv6')
    },
  }
}
