import { enrol } from '../enrol.ts'
import { realDisk } from '../store/disk.ts'
import { openStore } from '../store/file-store.ts'

/** A device on its first boot that is killed at the `fatal`th step of its disk. Prints how many steps it took. */
const [url = '', claim = '', directory = '', fatal = '0'] = process.argv.slice(2)
let steps = 0

const step =
  <Args extends unknown[]>(act: (...args: Args) => Promise<void>) =>
  (...args: Args): Promise<void> => {
    steps += 1
    if (steps === Number(fatal)) process.kill(process.pid, 'SIGKILL')
    return act(...args)
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
