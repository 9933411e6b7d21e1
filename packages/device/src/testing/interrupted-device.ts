import { enrol } from '../enrol.ts'
import { realDisk } from '../store/disk.ts'
import { openStore } from '../store/file-store.ts'

/** A device on its first boot that is killed at the `fatal`th step of its disk, or in the middle of it. Prints how many steps it took. */
const [url = '', claim = '', directory = '', fatal = '0', when = 'before'] = process.argv.slice(2)
let steps = 0

const die = () => process.kill(process.pid, 'SIGKILL')
const step =
  <Args extends unknown[]>(act: (...args: Args) => Promise<void>) =>
  async (...args: Args): Promise<void> => {
    steps += 1
    const last = steps === Number(fatal)
    if (last && when === 'before') die()
    await act(...args)
    if (last) die()
  }

const store = await openStore(directory, {
  writeSynced: step(realDisk.writeSynced),
  link: step(realDisk.link),
  rename: step(realDisk.rename),
  remove: step(realDisk.remove),
  syncDirectory: step(realDisk.syncDirectory),
})
await enrol({ url, claim, store, device: 'pump-1' })
process.stdout.write(String(steps))
