// node tool.ts <address, JSON> <command> <argument>...: what an administrator of the HSM may do behind the back of a process.

import { findKey, generateKey } from '../token/keys.ts'
import type { TokenAddress } from '../token/messages.ts'
import { openToken } from '../token/open.ts'

const [address = '{}', command = '', ...rest] = process.argv.slice(2)
const { pin, ...place } = JSON.parse(address) as TokenAddress
const token = await openToken({ ...place, pin })
const { library, module, slot } = token
const session = module.C_OpenSession(slot, library.CKF_SERIAL_SESSION | library.CKF_RW_SESSION)
const [first = '', ...more] = rest

const commands: Record<string, () => unknown> = {
  add: () => generateKey(token, session, first, 'p256'),
  remove() {
    const key = findKey(token, session, { label: first })
    if (key) module.C_DestroyObject(session, key.handle)
  },
  attributes() {
    const key = findKey(token, session, { label: first })
    if (!key) throw new Error(`there is no key ${first}`)
    const types = more.map((name) => ({ type: Number(library[name as keyof typeof library]) }))
    const found = module.C_GetAttributeValue(session, key.handle, types)
    console.log(JSON.stringify(found.map(({ value }) => (value as Buffer).toString('hex'))))
  },
  'change-pin': () => module.C_SetPIN(session, pin, first),
}
await commands[command]?.()
module.C_Finalize()
