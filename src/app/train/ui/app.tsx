import { NoWebGpu } from '../../no_webgpu'
import { open } from './actions'
import { AdapterCard } from './adapter'
import { CompareCard } from './compare'
import { Curves } from './curves'
import { DataCard } from './data'
import { DeviceLine } from './device'
import { MethodCard } from './method'
import { ModelCard } from './model'
import { focusNext } from './parts'
import { ResumeOffer } from './resume'
import { RunCard } from './run'
import { SentenceCard } from './sentence'
import { Art } from './sketch'
import { deviceless, died, running, saved } from './state'
import { StorageCard } from './storage'

export const purpose = 'This page trains a language model on the GPU, and cannot do that without.'

export function App() {
  if (deviceless.value) return <NoWebGpu what={purpose} reason={`The page’s worker has no GPU: ${deviceless.value}`} />
  return (
    <>
      <header class="top">
        <Art learning={running.value === 'running'} />
        <p class="mark">
          <img src="icon.svg" alt="" width="28" height="28" /> condlora
        </p>
        <h1>Teach a language model, right here</h1>
        <p class="soft lead">
          It learns from your examples on your own GPU, in this tab. Texts, model and what it learns stay on your device.
        </p>
        <DeviceLine />
      </header>
      <main>
        {died.value && <Died />}
        <ResumeOffer />
        <div class="columns">
          <div class="column setup">
            <ModelCard />
            <DataCard />
            <MethodCard />
          </div>
          <div class="column">
            <RunCard />
            <Curves />
            <SentenceCard />
            <CompareCard />
            <AdapterCard />
          </div>
          <div class="column rest">
            <StorageCard />
          </div>
        </div>
      </main>
      <footer class="soft small">
        <a href="bench.html">How fast is your GPU at this?</a>
        <a href="licenses.txt">Licences</a>
      </footer>
    </>
  )
}

function Died() {
  return (
    <div class="trouble card" role="alert" id="trouble-worker">
      <strong>The part of this page that trains has ended.</strong>
      <p class="why">{died.value}</p>
      <p>
        {saved.value === null
          ? 'Your choices are kept.'
          : `Your choices are kept, and so is the run up to step ${saved.value}: it will be offered to go on.`}
      </p>
      <button type="button" class="main" id="restart" onClick={() => void open().then(() => focusNext('start', 'run-title'))}>
        Start it again
      </button>
    </div>
  )
}
