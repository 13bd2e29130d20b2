// The training page's worker: all that takes long, so that the page stays free.
import type { Reply, Request } from '../protocol'
import { Desk } from './desk'

const tell = (reply: Reply) => globalThis.postMessage(reply)
const desk = new Desk(tell)

globalThis.onmessage = ({ data }: MessageEvent<Request>) => {
  const { id } = data
  desk
    .answer(data)
    .then((result) => tell({ id, result }))
    .catch((thrown: Error) => tell({ id, failed: { name: thrown.name, message: thrown.message } }))
}
