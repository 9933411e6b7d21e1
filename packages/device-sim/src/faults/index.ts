export type { ActorContext, Voice } from './actor.ts'
export { equip } from './equip.ts'
export type { Equipment, Seen } from './equipment.ts'
export { PowerCut } from './power-cut.ts'
