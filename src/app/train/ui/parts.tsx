import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { belowFolder, collectEntry } from '../../../io/blobs'
import { type Place, troubles } from './state'

/** Moves the keyboard's focus on, where what had it goes away: to the first of these that is there when the page is drawn anew. */
export function focusNext(...ids: string[]): void {
  setTimeout(() => {
    const next = ids.map((id) => document.getElementById(id)).find((found) => found && !(found as HTMLButtonElement).disabled)
    next?.focus()
  })
}

/** A step of the page: a title with a line beside it, then its controls. */
export function Card({
  id,
  title,
  aside,
  children,
}: {
  id: string
  title: string
  aside?: ComponentChildren
  children: ComponentChildren
}) {
  return (
    <section class="card" id={id} aria-labelledby={`${id}-title`}>
      <header>
        <h2 id={`${id}-title`} tabIndex={-1}>
          {title}
        </h2>
        {aside && <span class="soft aside">{aside}</span>}
      </header>
      {children}
    </section>
  )
}

/** What went wrong at this place, if anything did. */
export function TroubleBox({ place }: { place: Place }) {
  const trouble = troubles.value[place]
  if (!trouble) return null
  return (
    <div class="trouble" role="alert" id={`trouble-${place}`}>
      <strong>{trouble.what}</strong>
      <p class="why">{trouble.why}</p>
      <p>{trouble.advice}</p>
    </div>
  )
}

/** A choice among few, as a row of buttons. */
export function Choice<T extends string>(props: {
  legend: string
  name: string
  value: T
  options: readonly (readonly [T, string])[]
  disabled?: boolean
  choose: (value: T) => void
}) {
  return (
    <fieldset class="choice" disabled={props.disabled}>
      <legend class="hidden">{props.legend}</legend>
      {props.options.map(([value, label]) => (
        <label key={value}>
          <input type="radio" name={props.name} value={value} checked={props.value === value} onChange={() => props.choose(value)} />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  )
}

/** A file as it lies in what was dropped or chosen. */
export interface FileAt {
  path: string
  file: File
}

/** Takes dropped files, or chosen ones: a mouse is not needed. `folder` offers to choose a folder too. */
export function Drop(props: {
  id: string
  label: string
  hint: string
  accept?: string
  multiple?: boolean
  folder?: boolean
  disabled?: boolean
  take: (files: FileAt[], name: string) => void
}) {
  const over = useSignal(false)
  const chosen = (input: HTMLInputElement) => {
    const files = Array.from(input.files ?? [], (file) => ({ path: belowFolder(file), file }))
    const name = input.files?.[0]?.webkitRelativePath.split('/')[0] || nameOf(files)
    // The same file chosen again, mended, must be heard of too.
    input.value = ''
    if (files.length) props.take(files, name)
  }
  const dropped = async (event: DragEvent) => {
    event.preventDefault()
    over.value = false
    if (props.disabled || !event.dataTransfer) return
    const { files, name } = await entriesOf(event.dataTransfer)
    if (files.length) props.take(files, name)
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the inputs inside do the same by keyboard
    <div
      class={`drop${over.value ? ' over' : ''}`}
      onDragOver={(event) => {
        event.preventDefault()
        over.value = !props.disabled
      }}
      onDragLeave={() => {
        over.value = false
      }}
      onDrop={(event) => void dropped(event)}
    >
      <div class="actions">
        <label class="button" aria-disabled={props.disabled}>
          {props.label}
          <input
            id={props.id}
            class="hidden"
            type="file"
            accept={props.accept}
            multiple={props.multiple}
            disabled={props.disabled}
            onChange={(event) => chosen(event.currentTarget)}
          />
        </label>
        {props.folder && (
          <label class="button" aria-disabled={props.disabled}>
            Choose a folder
            <input
              id={`${props.id}-folder`}
              class="hidden"
              type="file"
              disabled={props.disabled}
              ref={(input) => input?.setAttribute('webkitdirectory', '')}
              onChange={(event) => chosen(event.currentTarget)}
            />
          </label>
        )}
      </div>
      <p class="soft small">{props.hint}</p>
    </div>
  )
}

const nameOf = (files: FileAt[]) => (files.length === 1 ? files[0].file.name : 'your files')

/** The files of a drop. Its items are gone after the event's handler, so the entries are taken before anything is awaited. */
async function entriesOf({ items, files }: DataTransfer): Promise<{ files: FileAt[]; name: string }> {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry()).filter((entry) => entry !== null)
  if (!entries.length) {
    const loose = Array.from(files, (file) => ({ path: file.name, file }))
    return { files: loose, name: nameOf(loose) }
  }
  const found: [string, File][] = []
  const only = entries.length === 1 && entries[0].isDirectory
  for (const entry of entries) await collectEntry(entry, only ? '' : entry.name, found)
  const below = found.map(([path, file]) => ({ path, file }))
  return { files: below, name: only ? entries[0].name : nameOf(below) }
}
