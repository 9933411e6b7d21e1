import type { PlatformView, StoredMessage } from '../run/platform-view.ts'

/** Who judges what is stored. */
export interface StoredReader {
  /** Once, with all of a device together and in the order in which it was stored. */
  onStored(message: StoredMessage, platform: PlatformView): void
}

/** All that is stored is read once, for whoever judges it: it may be millions of messages. */
export function createStoredReading(readers: readonly StoredReader[]): (platform: PlatformView) => Promise<void> {
  let reading: Promise<void> | undefined
  const read = async (platform: PlatformView) => {
    for await (const message of platform.telemetry()) for (const reader of readers) reader.onStored(message, platform)
  }
  return (platform) => {
    reading ??= read(platform)
    return reading
  }
}
