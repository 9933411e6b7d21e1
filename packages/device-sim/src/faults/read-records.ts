const headerBytes = 5

/** TLS: what goes over the wire once both sides have keys for it. */
export const applicationData = 23

/** Tells the type of each TLS record that begins, however the bytes are cut (RFC 8446 §5.1). */
export function readRecords(onRecord: (type: number) => void): (chunk: Buffer) => void {
  let header = Buffer.alloc(0)
  let left = 0
  return (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      if (left > 0) {
        const taken = Math.min(left, chunk.length - at)
        left -= taken
        at += taken
        continue
      }
      const taken = chunk.subarray(at, at + headerBytes - header.length)
      header = Buffer.concat([header, taken])
      at += taken.length
      if (header.length < headerBytes) return
      onRecord(header.readUInt8(0))
      left = header.readUInt16BE(3)
      header = Buffer.alloc(0)
    }
  }
}
