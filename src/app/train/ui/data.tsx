import type { DataInfo, DataSource } from '../protocol'
import { chooseData } from './actions'
import { count } from './format'
import { Card, Choice, Drop, TroubleBox } from './parts'
import { busy, change, chosenData, dataBusy, device, settings, source, sourceFrom } from './state'

const sources = [
  ['sample', 'Sample: emails'],
  ['file', 'Your file'],
] as const

export function DataCard() {
  const chosen = chosenData.value
  const locked = busy.value || !device.value
  const choose = (value: DataSource['from']) => {
    sourceFrom.value = value
    if (value === 'sample' && source.value.from !== 'sample') void chooseData({ from: 'sample' })
  }
  return (
    <Card id="data" title="Data" aside={chosen && `${chosen.name}, ${count(chosen.rows)} rows`}>
      <Choice legend="What to train on" name="source" value={sourceFrom.value} options={sources} disabled={locked} choose={choose} />
      {sourceFrom.value === 'sample' ? (
        <p class="soft small">Real emails of 2002: the model learns to tell spam from ham.</p>
      ) : (
        <Drop
          id="data-file"
          label="Choose a file"
          hint="or drop it here: CSV, TSV, JSON lines or parquet. It is read on your device and goes nowhere."
          accept=".csv,.tsv,.jsonl,.ndjson,.json,.parquet,text/csv,text/tab-separated-values"
          disabled={locked}
          take={([{ file }]) => void chooseData({ from: 'file', file })}
        />
      )}
      {dataBusy.value && <p class="soft small">Reading the rows …</p>}
      <TroubleBox place="data" />
      {chosen && <Rows {...chosen} />}
    </Card>
  )
}

function Rows({ columns, first }: DataInfo) {
  const { text, textPair, label } = settings.value
  const used = new Map([
    [text, 'text'],
    [textPair ?? '', 'second text'],
    [label, 'label'],
  ])
  // The columns that are used, first: a phone shows no more.
  const shown = [...columns].sort((a, b) => Number(used.has(b)) - Number(used.has(a))).slice(0, 6)
  return (
    <>
      <div class="grid thirds">
        <Column id="text" label="Text" value={text} set={(value) => change({ text: value })} columns={columns} />
        <Column
          id="pair"
          label="Second text"
          value={textPair ?? ''}
          set={(value) => change({ textPair: value || undefined })}
          columns={columns}
          none
        />
        <Column id="label" label="Label" value={label} set={(value) => change({ label: value })} columns={columns} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must scroll by keyboard */}
      <section class="scroll rows" tabIndex={0} aria-label="The first rows">
        <table>
          <thead>
            <tr>
              {shown.map((column) => (
                <th key={column} scope="col" class={used.has(column) ? 'used' : ''}>
                  {column} {used.has(column) && used.get(column) !== column && <span class="tag">{used.get(column)}</span>}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {first.slice(0, 4).map((row, i) => (
              <tr key={i}>
                {shown.map((column) => (
                  <td key={column}>
                    <div>{row[column]?.slice(0, 300)}</div>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  )
}

function Column(props: {
  id: string
  label: string
  value: string
  columns: readonly string[]
  none?: boolean
  set: (value: string) => void
}) {
  return (
    <label>
      {props.label}
      <select
        id={`column-${props.id}`}
        value={props.value}
        required={!props.none}
        disabled={busy.value}
        onChange={(event) => props.set(event.currentTarget.value)}
      >
        {props.none && <option value="">none</option>}
        {props.columns.map((column) => (
          <option key={column} value={column}>
            {column}
          </option>
        ))}
      </select>
    </label>
  )
}
