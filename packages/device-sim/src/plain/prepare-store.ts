import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DeviceStore } from '@muster/device'
import type { ReadyBroker } from '../worker/messages.ts'
import { listIdentities } from './list-identities.ts'

/** Puts ready certificates into the stores of devices, as if they had enrolled: they ask nobody for one then. */
export function createPreparation({ url, ca, directory }: ReadyBroker, fleet: string) {
  const identities = listIdentities(directory)
  // Who boots first finds out; nobody else has to hear of it before.
  identities.catch(() => undefined)
  return async (store: DeviceStore, index: number): Promise<void> => {
    if (await store.loadEnrolment()) return
    const id = (await identities)[index]
    if (id === undefined) throw new RangeError(`${directory} has no certificate for device ${index}`)
    const read = (extension: string) => readFile(join(directory, `${id}.${extension}`), 'utf8')
    const [leaf = '', ...chain] = splitPem(await read('crt'))
    const { validFromDate, validToDate } = new X509Certificate(leaf)
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
        mqtt: { url, clientId: id, publish: [`fleets/${fleet}/devices/${id}/#`], subscribe: [] },
        serverTime: validFromDate.toISOString(),
      },
    })
  }
}

const splitPem = (pem: string): string[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((one) => `${one}\n`)
