import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DeviceStore } from '@muster/device'
import type { ReadyBroker } from '../worker/messages.ts'

/** Puts a ready certificate into the store of a device, as if it had enrolled: it asks nobody for one then. */
export async function prepareStore(
  store: DeviceStore,
  { url, ca, directory }: ReadyBroker,
  { id, fleet }: { id: string; fleet: string },
): Promise<void> {
  if (await store.loadEnrolment()) return
  const read = (extension: string) => readFile(join(directory, `${id}.${extension}`), 'utf8')
  const [leaf = '', ...chain] = splitPem(await read('crt'))
  const { validFromDate, validToDate } = new X509Certificate(leaf)
  const base = `fleets/${fleet}/devices/${id}`
  await store.addKey(createPrivateKey(await read('key')))
  await store.saveEnrolment({
    version: 1,
    url,
    roots: ca,
    enrolment: {
      device: { id, group: 'default', fleet },
      certificate: leaf,
      chain: chain.join(''),
      notAfter: validToDate.toISOString(),
      renewAfter: validToDate.toISOString(),
      mqtt: { url, clientId: id, publish: [`${base}/#`], subscribe: [] },
      serverTime: validFromDate.toISOString(),
    },
  })
}

const splitPem = (pem: string): string[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((one) => `${one}\n`)
