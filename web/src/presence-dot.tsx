import type { JSX } from 'preact'
import { AVAILABILITY_NAMES, type Availability } from './availability.ts'

/** Told apart without colour: disc, bubble, barred square, crescent, ring, struck ring, question mark. */
const SHAPES: Readonly<Record<Availability, JSX.Element>> = {
  online: <circle cx="8" cy="8" r="6" />,
  free_for_chat: <path d="M8 1.5a6 5.6 0 1 1-2.3 10.8L2.2 14.5l1-3.7A6 5.6 0 0 1 8 1.5Z" />,
  busy: (
    <path
      fill-rule="evenodd"
      d="M4 2h8a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2Zm.5 5v2h7V7Z"
    />
  ),
  unavailable: <path d="M7.2 1.9a6.2 6.2 0 1 0 6.9 8.3A5.4 5.4 0 0 1 7.2 1.9Z" />,
  offline: <circle class="line" cx="8" cy="8" r="5" />,
  hidden: <path class="line" d="M11.5 4.5a5 5 0 1 1-7 7 5 5 0 0 1 7-7ZM13.6 2.4 2.4 13.6" />,
  unknown: <path class="line" d="M5.2 5.8c0-3.9 5.8-3.7 5.8-.3 0 2.2-2.9 2.3-2.9 4.6M8.1 13.1v.3" />,
}

/** One state as a shape in its colour; `label` replaces its name, null leaves it to the text beside it. */
export function PresenceDot({
  availability,
  label = AVAILABILITY_NAMES[availability],
}: {
  readonly availability: Availability
  readonly label?: string | null
}) {
  const described = label === null ? { 'aria-hidden': true } : { role: 'img' as const, 'aria-label': label }
  return (
    <svg class={`dot dot-${availability}`} viewBox="0 0 16 16" width="16" height="16" {...described}>
      {SHAPES[availability]}
    </svg>
  )
}
