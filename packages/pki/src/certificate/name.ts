import { oids } from '../der/oids.ts'
import type { DerReader } from '../der/reader.ts'
import { DerError } from '../der/reader.ts'
import { type Der, objectIdentifier, sequence, set, utf8String } from '../der/writer.ts'

export interface DistinguishedName {
  commonName?: string
  organizationalUnit?: string
  organization?: string
}

/** CN, OU, O in this order, as openssl prints them. UTF8String: PrintableString has no underscore. */
export function encodeName(name: DistinguishedName): Der {
  const parts: Der[] = []
  for (const attribute of ['commonName', 'organizationalUnit', 'organization'] as const) {
    const value = name[attribute]
    if (value === undefined) continue
    parts.push(set(sequence(objectIdentifier(oids[attribute]), utf8String(value))))
  }
  return sequence(...parts)
}

const shortNames: Record<string, string> = {
  [oids.commonName]: 'CN',
  [oids.organizationalUnit]: 'OU',
  [oids.organization]: 'O',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
}

/** A Name as text for people (in the manner of RFC 4514, in encoded order); never to be parsed again. */
export function describeName(name: DerReader): string {
  const parts: string[] = []
  while (!name.done)
    name.enter(0x31, (rdn) => {
      if (rdn.done) throw new DerError('an empty relative distinguished name')
      while (!rdn.done)
        rdn.enter(0x30, (attribute) => {
          const type = attribute.objectIdentifier()
          parts.push(`${shortNames[type] ?? type}=${describeValue(attribute)}`)
        })
    })
  return parts.join(', ')
}

const stringTags = new Set([0x0c, 0x13, 0x16])

function describeValue(attribute: DerReader): string {
  const { tag, content, raw } = attribute.next()
  const text = content.toString('utf8')
  if (!stringTags.has(tag) || /[\p{C}\ufffd]/u.test(text)) return `#${raw.toString('hex')}`
  return text.replace(/[,+"\\<>;=#]/g, '\\$&')
}
